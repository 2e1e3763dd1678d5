import { DbctlError } from "../../../core/errors.ts";
import { readSecretFile } from "../../../core/secret-file.ts";
import { Secret } from "../../../core/secret.ts";

/** A secret from a variable, or from the file that `<NAME>_FILE` names; undefined when unset. */
export async function readVariable(
  name: string,
  env: NodeJS.ProcessEnv,
): Promise<Secret | undefined> {
  const value = env[name];
  const path = env[`${name}_FILE`];
  if (value !== undefined && value !== "") return new Secret(value);
  if (path === undefined || path === "") return undefined;
  const text = (await readSecretFile(path))?.trim();
  if (text !== undefined && text !== "") return new Secret(text);
  throw new DbctlError("config-invalid", `Cannot use ${name}_FILE: ${path} is empty or missing`, {
    remedy: "Write the secret into that file, mode 0600, or set another variable",
  });
}
