import { DbctlError } from "../../core/errors.ts";

export const rightsFormats = ["s3", "azure", "gcs"] as const;
export type RightsFormat = (typeof rightsFormats)[number];

/** Where rights are to be given: bucket or container, and the prefix in it. */
export interface RightsPlace {
  format: RightsFormat;
  bucket: string;
  /** Empty, or ends with `/`. */
  prefix: string;
}

const formats: Record<string, RightsFormat> = {
  s3: "s3",
  minio: "s3",
  b2: "s3",
  azure: "azure",
  gs: "gcs",
  gcs: "gcs",
};

/** Of a repository's URL; `usage` where a store has no rights of its own. */
export function rightsPlace(url: string): RightsPlace {
  const [, scheme = "", path = ""] = /^([a-z0-9]+):\/\/([^?#]*)/i.exec(url) ?? [];
  const format = formats[scheme.toLowerCase()];
  if (format === undefined)
    throw new DbctlError("usage", `Cannot print rights for a ${scheme || "nameless"} store`, {
      remedy: "In a folder, rights are those of the file system; name a bucket or a container",
    });
  const names = path.split("/").filter(Boolean);
  const [bucket = "", ...folders] = scheme.toLowerCase() === "minio" ? names.slice(1) : names;
  if (bucket === "" || bucket.includes("@"))
    throw new DbctlError("usage", "Cannot print rights: the URL names no bucket", {
      remedy: "Write it as in --repo, for example s3://bucket/prefix",
    });
  return { format, bucket, prefix: folders.map((name) => `${name}/`).join("") };
}
