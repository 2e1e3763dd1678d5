import { log } from "../core/log.ts";
import { runMain } from "../core/run-main.ts";
import { notifySystemd } from "../core/systemd-notify.ts";
import { verifyAudit } from "./audit/verify-audit.ts";
import { createMemoryBus } from "./bus/memory-bus.ts";
import { createNatsBus } from "./bus/nats-bus.ts";
import { readControllerConfig } from "./config.ts";
import { openDatabase } from "./database/database.ts";
import { notifierName } from "./notify/run-notifier.ts";
import { catalogFile, startController } from "./start-controller.ts";

await runMain(async (signal) => {
  const config = readControllerConfig(process.argv.slice(2), process.env);
  if (config.verifyAudit) {
    await using db = await openDatabase(catalogFile(config.state));
    return log.info("audit-whole", await verifyAudit(db));
  }
  const { nats, natsTls: tlsFolder } = config;
  await using bus =
    nats === undefined
      ? createMemoryBus({ consumers: [notifierName] })
      : createNatsBus({ url: nats, tlsFolder });
  await using controller = await startController(config, { now: () => new Date(), bus });
  process.stdout.write(`ready ${controller.address}\n`);
  await Promise.all([controller.run(signal), notifySystemd({ env: process.env, signal })]);
});
