import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { DbctlError } from "../../core/errors.ts";
import type { Implementation } from "../../core/grpc/method-shapes.ts";
import type { CallContext } from "../../core/grpc/peer.ts";
import { formatRule } from "../../core/retention/retention-rule.ts";
import { nearestName } from "../../core/nearest-name.ts";
import type { PoliciesService, PolicySchema } from "../../proto/gen/dbctl/v1/policies_pb.ts";
import type { Db } from "../database/database.ts";
import { applyPolicies } from "../policies/apply-policies.ts";
import { explainPolicy } from "../policies/explain-policy.ts";
import { readPolicies } from "../policies/read-policies.ts";
import type { AppliedPolicy } from "../policies/read-policies.ts";
import { actorOf } from "../trust/identify.ts";

export function createPoliciesService({
  db,
  now,
}: {
  db: Db;
  now: () => Date;
}): Implementation<typeof PoliciesService, CallContext> {
  return {
    async applyPolicies({ yaml, dryRun }, { peer }) {
      return await applyPolicies(db, { yaml, dryRun, actor: actorOf(peer.identity) }, now());
    },
    async listPolicies() {
      return { policies: (await readPolicies(db)).map(policyMessage) };
    },
    async getPolicy({ name }) {
      const policies = await readPolicies(db);
      const policy = policies.find((one) => one.name === name);
      if (policy === undefined) throw unknownPolicy(name, policies);
      return { policy: policyMessage(policy) };
    },
    async explainPolicy({ database }) {
      const { nextRunAt, ...rest } = await explainPolicy(db, database, now());
      return nextRunAt === undefined ? rest : { ...rest, nextRunAt: timestampFromDate(nextRunAt) };
    },
  };
}

function policyMessage(policy: AppliedPolicy): MessageInitShape<typeof PolicySchema> {
  const { name, selector, schedule, timeZone, repositoryUrls, retention } = policy;
  const { keepDays, keepLast } = retention;
  const { jobs, allowMissing, retries, webhooks } = policy;
  return {
    name,
    selector,
    schedule,
    timeZone,
    repositoryUrls,
    repositoryUrl: repositoryUrls[0] ?? "",
    retention: {
      rule: formatRule(retention),
      ...(keepDays === undefined ? {} : { keepDays }),
      ...(keepLast === undefined ? {} : { keepLast }),
    },
    jobs,
    allowMissing,
    retries,
    webhooks,
    rpoSeconds: BigInt(policy.rpoSeconds),
    retryDelaySeconds: BigInt(policy.retryDelaySeconds),
    appliedAt: timestampFromDate(policy.appliedAt),
  };
}

function unknownPolicy(name: string, policies: readonly AppliedPolicy[]): DbctlError {
  const names = policies.map((policy) => policy.name);
  const nearest = nearestName(name, names);
  const remedy = nearest === undefined ? "See `dbctl policies ls`" : `Did you mean "${nearest}"?`;
  return new DbctlError("policy-unknown", `Cannot find the policy ${name}: there is none`, {
    remedy,
  });
}
