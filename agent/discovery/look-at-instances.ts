import { create } from "@bufbuild/protobuf";
import { DbctlError } from "../../core/errors.ts";
import { type Instance, InstanceSchema } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import type { Engine } from "../engines/engine.ts";

/** A configured server, as discovery needs it. */
export interface KnownInstance {
  name: string;
  /** `postgres` or `mysql`: what the URL says, until the server itself has answered. */
  engine: string;
  labels: Record<string, string>;
  open: () => Promise<Engine>;
}

/** What a server that does not answer may take of a look. */
const limitMs = 20_000;

/**
 * Asks every server who it is and what databases it has. One that cannot be looked at is in the
 * list as well, with the reason, so that nobody takes its silence for an empty server.
 */
export async function lookAtInstances(
  instances: readonly KnownInstance[],
  { signal }: { signal: AbortSignal },
): Promise<Instance[]> {
  const looks = instances.map(async (instance) => {
    const { name, labels } = instance;
    const found = await look(instance, signal);
    return create(InstanceSchema, { name, labels, ...found });
  });
  return await Promise.all(looks);
}

async function look({ engine: expected, open }: KnownInstance, signal: AbortSignal) {
  const timeout = AbortSignal.timeout(limitMs);
  try {
    const engine = await open();
    const both = AbortSignal.any([signal, timeout]);
    const { flavour, version, instance } = await engine.probe({ signal: both });
    const databases = await engine.listDatabases({ signal: both });
    return {
      instanceId: instance,
      engine: flavour,
      version,
      databases: databases.map(({ name, size }) => ({ name, size: BigInt(Math.trunc(size)) })),
    };
  } catch (reason) {
    signal.throwIfAborted();
    const { code, message, remedy, retryable } = timeout.aborted ? late() : DbctlError.from(reason);
    return { engine: expected, error: { code, message, remedy, retryable } };
  }
}

function late(): DbctlError {
  return new DbctlError(
    "timed-out",
    `Cannot look at the server: it did not answer within ${limitMs / 1000} s`,
    { remedy: "Check that the server is up and not overloaded", retryable: true },
  );
}
