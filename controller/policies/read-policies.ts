import type { Db } from "../database/database.ts";
import { selectorOf } from "./policy.ts";
import type { Policy } from "./policy.ts";
import { selects } from "./selector.ts";
import type { Selectable } from "./selector.ts";

export interface AppliedPolicy extends Policy {
  appliedAt: Date;
}

/** In the order of the file. */
export async function readPolicies(db: Db): Promise<AppliedPolicy[]> {
  const rows = await db.all("select document, applied_at from policies order by position");
  return rows.map((row) => {
    const { repositoryUrl = "", ...stored } = JSON.parse(String(row["document"])) as StoredPolicy;
    const { repositoryUrls = [repositoryUrl] } = stored;
    return { ...stored, repositoryUrls, appliedAt: new Date(String(row["applied_at"])) };
  });
}

/** Before there could be several repositories, the one had a field of its own. */
type StoredPolicy = Omit<Policy, "repositoryUrls"> & {
  repositoryUrl?: string;
  repositoryUrls?: string[];
};

/** The first in the file that selects a target is its policy. */
export function policyChooser(
  policies: readonly AppliedPolicy[],
): (target: Selectable) => AppliedPolicy | undefined {
  const parsed = policies.map((policy) => ({ policy, selector: selectorOf(policy) }));
  return (target) => parsed.find(({ selector }) => selects(selector, target))?.policy;
}
