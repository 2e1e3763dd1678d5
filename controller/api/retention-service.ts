import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { DbctlError } from "../../core/errors.ts";
import type { Implementation } from "../../core/grpc/method-shapes.ts";
import type { CallContext } from "../../core/grpc/peer.ts";
import { describeReason } from "../../core/retention/keep-reason.ts";
import { formatRule, parseRule, splitRuleText } from "../../core/retention/retention-rule.ts";
import type {
  RetentionGroupSchema,
  RetentionService,
} from "../../proto/gen/dbctl/v1/retention_pb.ts";
import { readDatabase } from "../catalog/read-databases.ts";
import { unknownDatabase } from "../catalog/unknown-database.ts";
import type { Db } from "../database/database.ts";
import { parsePolicies } from "../policies/parse-policies.ts";
import { decideRetention, type JudgedGroup } from "../retention/decide-retention.ts";
import { listRepositories } from "../retention/list-repositories.ts";
import { reportBackups } from "../retention/report-backups.ts";
import { listDeleted } from "../retention/catalog-backup.ts";
import { actorOf } from "../trust/identify.ts";

export function createRetentionService({
  db,
  now,
}: {
  db: Db;
  now: () => Date;
}): Implementation<typeof RetentionService, CallContext> {
  return {
    async *previewRetention({ database, rule, yaml }) {
      const at = now();
      const { policies, faults } = yaml === "" ? noFile : parsePolicies(yaml, at);
      yield { at: timestampFromDate(at), faults };
      if (faults.length > 0) return;
      const wanted = {
        database,
        rule: rule === "" ? undefined : parseRule(splitRuleText(rule)),
        policies: policies?.map((policy) => ({ ...policy, appliedAt: at })),
      };
      const groups = await decideRetention(db, wanted, at);
      if (groups.length === 0 && database !== "") await assertKnown(db, database);
      yield* inParts(groups, (group) => groupMessage(group, { reasons: true }));
    },
    async *decideDeletions({ repositoryUrl }) {
      const at = now();
      const repositoryUrls = await listRepositories(db);
      if (repositoryUrl === "") return yield { at: timestampFromDate(at), repositoryUrls };
      if (!repositoryUrls.includes(repositoryUrl))
        throw unknownRepository(repositoryUrl, repositoryUrls);
      const deletedIds = await listDeleted(db, repositoryUrl);
      yield { at: timestampFromDate(at), repositoryUrls, deletedIds };
      const groups = await decideRetention(db, { repositoryUrl }, at);
      yield* inParts(groups, (group) => groupMessage(group, { reasons: false }));
    },
    async reportBackups({ repositoryUrl, backups }, { peer }) {
      const report = { repositoryUrl, backups, actor: actorOf(peer.identity) };
      return { changed: await reportBackups(db, report, now()) };
    },
  };
}

/** Groups of one message: a few hundred thousand backups are more than one message holds. */
const part = 200;

function* inParts(
  groups: readonly JudgedGroup[],
  toMessage: (group: JudgedGroup) => GroupInit,
): Generator<{ groups: GroupInit[] }, void> {
  for (let at = 0; at < groups.length; at += part)
    yield { groups: groups.slice(at, at + part).map(toMessage) };
}

const noFile = { policies: undefined, faults: [] };

async function assertKnown(db: Db, name: string): Promise<void> {
  const known = await readDatabase(db, name);
  if (known === undefined) throw await unknownDatabase(db, "preview", name);
}

type GroupInit = MessageInitShape<typeof RetentionGroupSchema>;

function groupMessage(
  { database, repositoryUrl, policies, rules, decisions, dailyLimit = 0 }: JudgedGroup,
  { reasons: tellsReasons }: { reasons: boolean },
): GroupInit {
  const unjudged = rules.length === 0 ? ["no policy selects it"] : [];
  return {
    database,
    repositoryUrl,
    policy: policies.join(", "),
    rules: rules.map(formatRule),
    dailyLimit,
    decisions: decisions.map(({ backup, kept, reasons }) => ({
      backupId: backup.id,
      instanceId: backup.instanceId,
      state: backup.state,
      committedAt: timestampFromDate(backup.committed),
      bytesStored: BigInt(backup.bytesStored),
      kept,
      reasons: tellsReasons ? [...unjudged, ...reasons.map(describeReason)] : [],
      verified: backup.verified,
      damaged: backup.damaged,
    })),
  };
}

function unknownRepository(url: string, known: readonly string[]): DbctlError {
  return new DbctlError(
    "repository-unknown",
    `Cannot decide on backups in ${url}: no policy and no backup of the catalog names it`,
    { remedy: `The fleet's repositories: ${known.join(", ") || "none"}` },
  );
}
