import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { recordEvent } from "../../controller/bus/outbox.ts";
import { type Db, openDatabase } from "../../controller/database/database.ts";
import { migrate } from "../../controller/database/migrate.ts";
import { backupCompleted, insertPolicy } from "../../controller/database/scratch-fleet.ts";
import { startReceiver } from "../../controller/notify/scratch-receiver.ts";
import { newId } from "../../core/ids.ts";
import { startNats } from "../fixtures/nats-server.ts";
import { makeScratchFolder } from "../fixtures/scratch-folder.ts";

const main = fileURLToPath(new URL("../../controller/main.ts", import.meta.url));

/** When the controller dies after it was ready, in milliseconds. */
const kills = [0, 100, 400, 700, 1000];

test("kill -9 of a lone controller loses no notice", async () => {
  await using folder = await makeScratchFolder("notices");
  await killAndCount(folder.path, []);
});

test("kill -9 of a controller with NATS loses no notice, nor does kill -9 of NATS", async () => {
  await using folder = await makeScratchFolder("notices");
  await using nats = await startNats();
  await killAndCount(folder.path, ["--nats", nats.url], async () => {
    await nats.kill();
    await sleep(300);
    await nats.start();
  });
});

/** Events come all the time while the controller dies again and again; then all must have come. */
async function killAndCount(
  folder: string,
  options: string[],
  harm: () => Promise<void> = async () => {},
): Promise<void> {
  await using db = await openDatabase(join(folder, "catalog.db"));
  await migrate(db, new Date());
  await using receiver = await startReceiver();
  const webhooks = [{ url: receiver.url, minSeverity: "info", secretFile: "" } as const];
  await insertPolicy(db, { name: "gold", selector: "host=h1", webhooks });
  const sent: string[] = [];
  for (const delayMs of kills) {
    const controller = await startController(folder, options);
    await Promise.all([tell(db, sent), sleep(delayMs).then(() => kill(controller))]);
  }
  const last = await startController(folder, options);
  await Promise.all([tell(db, sent), harm()]);
  // The controller has events of its own.
  const arrived = () =>
    receiver.received
      .map(({ headers }) => String(headers["x-dbctl-event-id"]))
      .filter((id) => sent.includes(id));
  for (let n = 0; new Set(arrived()).size < sent.length; n++) {
    assert.ok(n < 600, `${new Set(arrived()).size} of ${sent.length} events came`);
    await sleep(100);
  }
  await kill(last);
  // What came twice came under its old id; the order of first arrival is the one of happening.
  assert.deepEqual([...new Set(arrived())], sent);
}

async function tell(db: Db, sent: string[]): Promise<void> {
  for (let n = 0; n < 10; n++) {
    const id = newId();
    await recordEvent(db, backupCompleted(id), new Date());
    sent.push(id);
    await sleep(30);
  }
}

async function startController(folder: string, options: string[]): Promise<ChildProcess> {
  const addresses = ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
  const args = [main, "--state", folder, ...addresses, "--private-webhooks", ...options];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const errors: string[] = [];
  child.stderr.on("data", (piece: Buffer) => errors.push(piece.toString()));
  for await (const line of createInterface({ input: child.stdout }))
    if (line.startsWith("ready")) return child;
  throw new Error(`the controller ended:\n${errors.join("")}`);
}

async function kill(child: ChildProcess): Promise<void> {
  const closed = once(child, "close");
  child.kill("SIGKILL");
  await closed;
}
