import assert from "node:assert/strict";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { test } from "node:test";
import {
  HeartbeatSchema,
  HelloSchema,
  type InstanceSchema,
} from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import type { Db } from "../database/database.ts";
import { openScratchCatalog } from "../database/scratch-catalog.ts";
import { agentState } from "./agent-state.ts";
import { listAgents, readAgent } from "./list-agents.ts";
import { recordHeartbeat, recordHello } from "./record-hello.ts";

type InstanceInit = MessageInitShape<typeof InstanceSchema>;

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds));
const agentId = "a1";

async function enrolled() {
  const catalog = await openScratchCatalog();
  await catalog.db.run(
    `insert into agents (id, host, enrolled_at, certificate_serial, certificate_ends_at)
     values ('a1', 'db1', '2026', '00', '2026')`,
  );
  return catalog;
}

const main: InstanceInit = {
  name: "main",
  instanceId: "sys-1",
  engine: "postgres",
  version: "17.1",
  databases: [
    { name: "shop", size: 10n },
    { name: "crm", size: 20n },
  ],
};

async function beat(db: Db, seconds: number, instances: InstanceInit[]): Promise<void> {
  const heartbeat = create(HeartbeatSchema, { instances });
  await recordHeartbeat(db, { agentId, heartbeat }, at(seconds));
}

const namesOf = async (db: Db) =>
  (await db.all("select name from databases where dropped_at is null order by name")).map(
    ({ name }) => name,
  );
const toldOf = async (db: Db) =>
  (await db.all("select body from outbox order by position")).map(
    ({ body }) => (JSON.parse(String(body)) as { type: string }).type,
  );

test("recordHello() takes over what an agent says, and how far its clock is off", async () => {
  await using it = await enrolled();
  const hello = create(HelloSchema, {
    version: "0.1.0",
    recipient: "age1x",
    instances: [main],
    hostTime: timestampFromDate(at(-90)),
  });
  await recordHello(it.db, { agentId, hello }, at(0));
  const agent = await readAgent(it.db, "db1", at(1));
  const { version, recipient, clockSkewSeconds, state } = agent;
  assert.deepEqual(
    [version, recipient, clockSkewSeconds, state],
    ["0.1.0", "age1x", -90, "online"],
  );
  assert.deepEqual(await namesOf(it.db), ["db1/crm", "db1/shop"]);
  assert.deepEqual(await toldOf(it.db), ["database_found", "database_found"]);
});

test("recordHeartbeat() drops a database only when its instance was seen without it", async () => {
  await using it = await enrolled();
  await beat(it.db, 0, [main]);
  await beat(it.db, 10, []);
  const failing = {
    ...main,
    instanceId: "",
    version: "",
    databases: [],
    error: { message: "down" },
  };
  await beat(it.db, 20, [failing]);
  assert.equal((await namesOf(it.db)).length, 2);
  const instance = await it.db.one("select instance_id, version, error from instances");
  assert.deepEqual(instance, { instance_id: "sys-1", version: "17.1", error: "down" });
  await beat(it.db, 30, [{ ...main, databases: [{ name: "crm", size: 21n }] }]);
  assert.deepEqual(await namesOf(it.db), ["db1/crm"]);
  await beat(it.db, 40, [main]);
  const shop = await it.db.one("select * from databases where name = 'db1/shop'");
  assert.deepEqual([shop?.["first_seen_at"], shop?.["dropped_at"]], [at(0).toISOString(), null]);
  assert.equal((await toldOf(it.db)).filter((type) => type === "database_dropped").length, 1);
});

test("recordHeartbeat() drops what an agent looks after no more", async () => {
  await using it = await enrolled();
  await beat(it.db, 0, [main, { name: "old", engine: "mysql", databases: [{ name: "log" }] }]);
  await beat(it.db, 10, [main]);
  assert.deepEqual(await namesOf(it.db), ["db1/crm", "db1/shop"]);
  assert.equal((await it.db.all("select * from instances")).length, 1);
});

test("recordHeartbeat() keeps databases of one name on two servers of a host apart", async () => {
  await using it = await enrolled();
  const second = { ...main, name: "second", databases: [{ name: "shop", size: 5n }] };
  for (const seconds of [0, 10]) await beat(it.db, seconds, [main, second]);
  assert.deepEqual(await namesOf(it.db), ["db1/crm", "db1/second/shop", "db1/shop"]);
  const rows = await it.db.all("select instance, size from databases where database = 'shop'");
  assert.deepEqual(
    rows.toSorted((a, b) => Number(b["size"]) - Number(a["size"])),
    [
      { instance: "main", size: 10 },
      { instance: "second", size: 5 },
    ],
  );
});

test("recordHeartbeat() refuses an agent that is revoked or unknown", async () => {
  await using it = await enrolled();
  await it.db.run("update agents set revoked_at = '2026'");
  await assert.rejects(beat(it.db, 0, [main]), { code: "identity-wrong" });
  assert.deepEqual(await namesOf(it.db), []);
  assert.equal((await listAgents(it.db, at(0)))[0]?.state, "revoked");
  await assert.rejects(readAgent(it.db, "db2", at(0)), { code: "host-unknown" });
});

test("agentState() follows the controller's clock", () => {
  const after = (seconds: number) =>
    agentState({ lastSeenAt: at(0), revokedAt: undefined }, at(seconds));
  assert.deepEqual([0, 29.999, 30, 59.999, 60, 1e6].map(after), [
    "online",
    "online",
    "late",
    "late",
    "offline",
    "offline",
  ]);
  const never = { lastSeenAt: undefined, revokedAt: undefined };
  assert.equal(agentState(never, at(0)), "offline");
  assert.equal(agentState({ lastSeenAt: at(0), revokedAt: at(0) }, at(0)), "revoked");
});
