import { parseRefusal } from "./answers.ts";
import { answerAuth, clearPassword } from "./auth-plugins.ts";
import { FieldReader } from "./field-reader.ts";
import {
  buildLogin,
  buildTlsRequest,
  capability,
  chooseCapabilities,
  type Greeting,
  parseGreeting,
  versionNumber,
} from "./handshake.ts";
import { DbctlError } from "../../../core/errors.ts";
import { protocolViolated } from "./server-error.ts";
import type { Login } from "./session.ts";
import { describeTarget, type Flavour, type MysqlTarget } from "./target.ts";
import type { Wire } from "./wire.ts";

/** The oldest versions that are supported. */
const oldest: Record<Flavour, { number: number; name: string }> = {
  mariadb: { number: 1003, name: "MariaDB 10.3" },
  mysql: { number: 507, name: "MySQL 5.7" },
};
/** A server asks a few times at most: one plugin after the other, or for a password in full. */
const roundLimit = 8;
/** Whoever announces more is no server of these products. */
const loginPacketLimit = 1 << 16;

/** Goes through the connection phase of the protocol. */
export async function logIn(
  wire: Wire,
  { target, password }: Login,
  { database, localFiles }: { database: string | null; localFiles: boolean },
): Promise<{ greeting: Greeting; deprecateEof: boolean }> {
  const first = await wire.receive(loginPacketLimit);
  const greeting = parseGreeting(first.payload);
  checkServer(greeting, target);
  const tls = target.tls !== "disable";
  if (tls && (greeting.capabilities & capability.tls) === 0) throw noTls(target);
  const capabilities = chooseCapabilities(greeting, { localFiles, tls });
  let sequence = first.sequence + 1;
  if (tls) {
    await wire.send(buildTlsRequest(capabilities), sequence++);
    await wire.startTls();
  }
  const channel = { password, private: tls || target.at.kind === "socket" };
  // The server's default plugin may be one that only some accounts use; it then asks for another.
  const plugin = startingPlugins.has(greeting.plugin) ? greeting.plugin : "mysql_native_password";
  const answer = answerAuth({ plugin, seed: greeting.seed, ...channel });
  const { user } = target;
  await wire.send(buildLogin({ capabilities, user, database, plugin, answer }), sequence);
  await authenticate(wire, { plugin, ...channel, act: `log in to ${describeTarget(target)}` });
  return { greeting, deprecateEof: (capabilities & capability.deprecateEof) !== 0 };
}

const startingPlugins = new Set(["mysql_native_password", "caching_sha2_password"]);

interface Channel {
  plugin: string;
  password: Login["password"];
  private: boolean;
  act: string;
}

async function authenticate(wire: Wire, { act, ...channel }: Channel): Promise<void> {
  let { plugin } = channel;
  for (let round = 0; round < roundLimit; round++) {
    const { payload, sequence } = await wire.receive(loginPacketLimit);
    switch (payload[0] ?? -1) {
      case 0x00:
        return;
      case 0xff:
        throw parseRefusal(payload, act);
      case 0xfe: {
        const fields = new FieldReader(payload, 1);
        plugin = fields.untilNul().toString("latin1");
        const seed = fields.rest();
        await wire.send(answerAuth({ ...channel, plugin, seed }), sequence + 1);
        break;
      }
      case 0x01:
        // caching_sha2_password: 3 means that the scramble was enough, 4 that it wants it all.
        if (plugin !== "caching_sha2_password") throw protocolViolated("it asked for more proof");
        if (payload[1] === 4)
          await wire.send(clearPassword(channel.password, channel.private), sequence + 1);
        break;
      default:
        throw protocolViolated("its answer to the login is malformed");
    }
  }
  throw protocolViolated("it asks for a login again and again");
}

function checkServer({ flavour, version }: Greeting, target: MysqlTarget): void {
  if (flavour !== target.scheme) {
    const right = describeTarget({ ...target, scheme: flavour });
    throw new DbctlError(
      "engine-unsupported",
      `Cannot use ${describeTarget(target)}: the server that answers is ${flavour} ${version}`,
      { remedy: `Write ${right}` },
    );
  }
  if (versionNumber(version) < oldest[flavour].number)
    throw new DbctlError(
      "engine-unsupported",
      `Cannot use ${describeTarget(target)}: it runs ${version}`,
      { remedy: `Use a server of ${oldest[flavour].name} or newer` },
    );
}

function noTls(target: MysqlTarget): DbctlError {
  return new DbctlError(
    "engine-denied",
    `Cannot log in to ${describeTarget(target)}: the server offers no TLS`,
    { remedy: "Set up TLS on the server, or connect on its own host over the socket" },
  );
}
