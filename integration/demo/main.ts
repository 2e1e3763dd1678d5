/**
 * `npm start`: the main job on real servers, as a fleet. Two PostgreSQL majors and a MariaDB are
 * filled; each gets an agent that joins a controller; a policy is applied; `dbctl backup --all`
 * protects every database, twice; two are restored beside the originals and compared; a byte of a
 * copy of the repository is flipped, and `verify` has to name the object; an agent falls silent, and
 * the alert has to arrive. With `--once` it ends by itself, else it stays up until Ctrl-C.
 */
import { existsSync } from "node:fs";
import { once } from "node:events";
import { startFleet } from "../fixtures/fleet.ts";
import { startNats } from "../fixtures/nats-server.ts";
import { listenForAlerts } from "./alert-listener.ts";
import { Narrator } from "./narrator.ts";
import { applyPolicies, protect, restoreBeside } from "./protect.ts";
import { damageACopy } from "./damage-a-copy.ts";
import { fallSilent } from "./fall-silent.ts";
import { startSources } from "./sources.ts";

const megabytes = 150;
const staysUp = !process.argv.includes("--once");
/** From now on Ctrl-C ends the process only after everything was cleared up. */
const interrupted = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
const narrator = new Narrator(interrupted);

try {
  await demonstrate();
} catch (error) {
  narrator.fail(error);
  narrator.end();
}

async function demonstrate(): Promise<void> {
  await using sources = await narrator.step(
    "Start two PostgreSQL majors and a MariaDB, fill each with a shop",
    () => startSources(megabytes),
  );
  for (const name of sources.missing) narrator.note(`${name} is not installed here: left out`);
  await using stack = new AsyncDisposableStack();
  const nats = await startBus(stack);
  const listener = stack.use(await listenForAlerts(nats));
  const fleet = stack.use(
    await narrator.step("Start a controller, initialise a repository, log in", () =>
      startFleet({
        ...(nats === undefined ? {} : { nats }),
        controllerArgs: ["--private-webhooks"],
      }),
    ),
  );
  for (const { host, serverUrl, name } of sources.all)
    await narrator.step(`Enrol an agent for ${name}: dbctl agents token, dbctl-agent`, () =>
      fleet.addAgent(host, [{ name: "main", url: serverUrl, labels: { demo: "yes" } }]),
    );
  const parts = { narrator, fleet, sources: sources.all, listener };
  await applyPolicies(parts, {});
  const latest = await protect(parts);
  await restoreBeside(parts, latest);
  await damageACopy(parts, latest);
  await fallSilent(parts);
  narrator.end();
  if (!staysUp) return;
  const { dbctl, metricsUrl } = fleet;
  const env = `DBCTL_LOGIN=${dbctl.login}`;
  narrator.note(`The fleet stays up. Status:  ${env} cli/dbctl status`);
  narrator.note(`Metrics: ${metricsUrl}`);
  narrator.note(`Next:    ${env} cli/dbctl jobs ls | backups ls | alerts ls | backup --all --wait`);
  narrator.note("Ctrl-C ends it and leaves nothing behind.");
  await interrupted;
}

/** NATS with JetStream where it is installed; else the controller's embedded bus. */
async function startBus(stack: AsyncDisposableStack): Promise<string | undefined> {
  if (!existsSync("/usr/sbin/nats-server")) {
    narrator.note("NATS is not installed here: events stay on the controller's embedded bus");
    return undefined;
  }
  const server = await narrator.step("Start NATS with JetStream", () => startNats());
  return stack.use(server).url;
}
