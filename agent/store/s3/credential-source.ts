/** The SDK marks credentials with where they come from; the words people know it by. */
const words: [mark: RegExp, source: string][] = [
  [/IMDS/, "this machine's instance role"],
  [/HTTP/, "the container's role"],
  [/WEB_ID/, "the web identity of AWS_WEB_IDENTITY_TOKEN_FILE"],
  [/SSO|LOGIN/, "the login of the profile in AWS_PROFILE"],
  [/PROCESS/, "the credential_process of the profile"],
  [/PROFILE/, "the profile in the shared credentials file"],
  [/ENV_VARS/, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"],
];

/** Where credentials come from, in words; undefined when they do not say. */
export function credentialSource(credentials: object): string | undefined {
  const marks = "$source" in credentials ? Object.keys(credentials.$source ?? {}).join(" ") : "";
  return words.find(([mark]) => mark.test(marks))?.[1];
}
