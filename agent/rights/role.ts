/**
 * Who uses a repository, by what they need (REPO-16). A host creates objects of its own server and
 * can do nothing else; a restorer, who also verifies, reads; a pruner reads and deletes; a controller
 * reads what tells of backups, and locks what retention keeps.
 */
export const roles = ["host", "restorer", "pruner", "controller"] as const;
export type Role = (typeof roles)[number];

/** What least-rights documents are made for. */
export interface RightsRequest {
  role: Role;
  bucket: string;
  /** Empty, or ends with `/`. */
  prefix: string;
  /** The server whose backups a host writes; `*` stands for all. */
  instance: string;
}

/** Keys, below the prefix, that tell of backups and hold no data; `*` as in policies. */
export const metadataKeys = ["repository.json", "*/backups/*/manifest", "~control/*"] as const;
