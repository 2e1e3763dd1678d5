import {
  type BucketUrl,
  checkEndpoint,
  checkStorageClass,
  parseBucketUrl,
  unusable,
} from "../remote/bucket-url.ts";

/** What the URL of a repository in a bucket says. Holds no secret. */
export interface GcsPlace extends Pick<BucketUrl<never>, "url" | "prefix" | "retries"> {
  bucket: string;
  /** Undefined: Google's own. */
  endpoint?: string;
  /** Of packs, which are most of the bytes. */
  storageClass?: (typeof storageClasses)[number];
}

/** All of them can be read at once; the colder ones cost more to read and to delete early. */
export const storageClasses = ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"] as const;

const rules = {
  form: "gs://bucket/prefix",
  parameters: ["endpoint", "storage-class", "insecure"],
  instead: "GOOGLE_APPLICATION_CREDENTIALS to the file that holds it",
} as const;

/** Parses `gs://bucket/prefix?endpoint=…`, which may also begin with `gcs:`. */
export function parseGcsUrl(url: string): GcsPlace {
  const { bucket, given, ...parsed } = parseBucketUrl(url, rules);
  // https://cloud.google.com/storage/docs/buckets#naming
  if (!/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(bucket))
    throw unusable("it names no bucket", "Bucket names have a-z, 0-9 and ._- only");
  const endpoint = given.get("endpoint");
  const storageClass = checkStorageClass(given.get("storage-class"), storageClasses);
  return {
    ...parsed,
    bucket,
    ...(endpoint === undefined
      ? {}
      : { endpoint: checkEndpoint(endpoint, given.get("insecure")).href.replace(/\/+$/, "") }),
    ...(storageClass === undefined ? {} : { storageClass }),
  };
}
