import { DbctlError } from "../../../core/errors.ts";
import { FieldReader } from "./field-reader.ts";
import { protocolViolated, refused } from "./server-error.ts";
import type { Flavour } from "./target.ts";

/** What the server says before anybody logged in. */
export interface Greeting {
  flavour: Flavour;
  /** As the server says it, without the "5.5.5-" that MariaDB puts in front for old clients. */
  version: string;
  threadId: number;
  capabilities: number;
  seed: Buffer;
  plugin: string;
}

/** Capability flags (protocol manual, "Capabilities Flags"). */
export const capability = {
  longPassword: 1,
  connectWithDb: 8,
  localFiles: 0x80,
  protocol41: 0x200,
  tls: 0x800,
  transactions: 0x2000,
  secureConnection: 0x8000,
  pluginAuth: 0x80000,
  connectAttributes: 0x100000,
  pluginAuthLength: 0x200000,
  deprecateEof: 0x1000000,
} as const;

/** Parses the server's first packet (protocol manual, "Initial Handshake Packet", version 10). */
export function parseGreeting(payload: Buffer): Greeting {
  const fields = new FieldReader(payload);
  const protocol = fields.uint(1);
  if (protocol === 0xff) throw refusedGreeting(fields);
  if (protocol !== 10) throw protocolViolated(`its greeting is of protocol ${protocol}, not 10`);
  const announced = fields.untilNul().toString("latin1");
  const threadId = fields.uint(4);
  const seedStart = fields.take(8);
  fields.take(1);
  const low = fields.uint(2);
  fields.take(3);
  const capabilities = (low | (fields.uint(2) << 16)) >>> 0;
  const seedLength = fields.uint(1);
  fields.take(10);
  const seedEnd = fields.take(Math.max(13, seedLength - 8)).subarray(0, 12);
  const plugin = fields.untilNul().toString("latin1");
  const flavour = /mariadb/i.test(announced) ? "mariadb" : "mysql";
  const version = flavour === "mariadb" ? announced.replace(/^5\.5\.5-/, "") : announced;
  const seed = Buffer.concat([seedStart, seedEnd]);
  return { flavour, version, threadId, capabilities, seed, plugin };
}

/** Major and minor number of a version, for comparing: 10.11.6 is 1011. */
export function versionNumber(version: string): number {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) * 100 + Number(minor);
}

/** The flags that a session uses: no multiple statements, local files only where asked for. */
export function chooseCapabilities(
  { capabilities }: Greeting,
  { localFiles, tls }: { localFiles: boolean; tls: boolean },
): number {
  const needed = capability.protocol41 | capability.secureConnection | capability.pluginAuth;
  if ((capabilities & needed) !== needed) throw protocolViolated("it is older than MySQL 5.6");
  const wished =
    capability.longPassword |
    capability.transactions |
    capability.connectWithDb |
    capability.pluginAuthLength |
    capability.connectAttributes |
    capability.deprecateEof;
  const extra = (localFiles ? capability.localFiles : 0) | (tls ? capability.tls : 0);
  return (needed | (wished & capabilities) | extra) >>> 0;
}

interface Login {
  capabilities: number;
  user: string;
  database: string | null;
  plugin: string;
  answer: Buffer;
}

/** utf8mb4_general_ci, the oldest collation that has all characters. */
const collation = 45;
const largestPacket = 0x40000000;

/** The part of the answer that is also the request for TLS (protocol manual, "SSLRequest"). */
export function buildTlsRequest(capabilities: number): Buffer {
  const head = Buffer.alloc(32);
  head.writeUInt32LE(capabilities, 0);
  head.writeUInt32LE(largestPacket, 4);
  head.writeUInt8(collation, 8);
  return head;
}

/** The answer to the greeting (protocol manual, "HandshakeResponse41"). */
export function buildLogin({ capabilities, user, database, plugin, answer }: Login): Buffer {
  const withDatabase = database !== null;
  const flags = withDatabase ? capabilities : capabilities & ~capability.connectWithDb;
  if (answer.length > 250) throw protocolViolated("the password is longer than the protocol takes");
  const attributes = Buffer.concat([shortText("program_name"), shortText("dbctl")]);
  const parts = [buildTlsRequest(flags >>> 0), terminated(user)];
  parts.push(Buffer.from([answer.length]), answer);
  if (withDatabase) parts.push(terminated(database));
  parts.push(terminated(plugin));
  if ((flags & capability.connectAttributes) !== 0)
    parts.push(Buffer.from([attributes.length]), attributes);
  return Buffer.concat(parts);
}

function terminated(text: string): Buffer {
  if (text.includes("\0"))
    throw new DbctlError("usage", "Cannot log in: a name holds a NUL character", {
      remedy: "Check user and database in the URL",
    });
  return Buffer.from(`${text}\0`);
}

function shortText(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
}

/** A server that takes nobody (too many connections, unknown host) says so instead of greeting. */
function refusedGreeting(fields: FieldReader): DbctlError {
  const errno = fields.uint(2);
  const message = fields
    .rest()
    .toString("utf8")
    .replace(/^#...../, "");
  return refused({ errno, state: "", message }, "log in");
}
