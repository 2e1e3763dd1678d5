import type { Mutation } from "./mutation.ts";

/** Defects in what a fleet knows of its backups, and in who deletes them. */
export const fleet: readonly Mutation[] = [
  {
    defect: "the pruner deletes whatever its rule lets go, also what the controller keeps",
    file: "agent/marks/judge-again.ts",
    from: "known.get(backup.id)?.kept === false",
    to: "known.get(backup.id)?.kept !== undefined",
    tests: ["agent/marks/judge-again.test.ts"],
  },
  {
    defect: "the pruner takes a controller's word for damage",
    file: "agent/marks/judge-again.ts",
    from: "[whole, told].map",
    to: "[told].map",
    tests: ["agent/marks/judge-again.test.ts"],
  },
  {
    defect: "a backup that is missing counts as removed",
    file: "agent/marks/find-states.ts",
    from: '{ ...about, state: "missing" }',
    to: '{ ...about, state: "removed" }',
    tests: ["agent/marks/find-states.test.ts"],
  },
  {
    defect: "copies in two repositories are judged together",
    file: "controller/retention/catalog-backup.ts",
    from: "JSON.stringify([repositoryUrl, instanceId || name, instanceId && databaseName])",
    to: "JSON.stringify([instanceId || name, instanceId && databaseName])",
    tests: ["controller/retention/retention.test.ts"],
  },
  {
    defect: "what nobody manages any more is judged by the usual rule",
    file: "controller/retention/decide-retention.ts",
    from: "rules.length === 0\n      ?",
    to: "rules.length < 0\n      ?",
    tests: ["controller/retention/retention.test.ts"],
  },
  {
    defect: "a quick look clears what a full one has found",
    file: "controller/catalog/verdict.ts",
    from: "at >= damage.at && seesAll(depth, damage.depth)",
    to: "at >= damage.at",
    tests: ["controller/catalog/verdict.test.ts"],
  },
  {
    defect: "a backup that was deleted counts as a copy",
    file: "controller/catalog/read-copies.ts",
    from: "and damaged_at is null and deleted_at is null",
    to: "and damaged_at is null",
    tests: ["controller/retention/retention.test.ts"],
  },
];
