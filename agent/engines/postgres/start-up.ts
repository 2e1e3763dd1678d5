import { createHash } from "node:crypto";
import { DbctlError } from "../../../core/errors.ts";
import type { Secret } from "../../../core/secret.ts";
import { BodyReader, encodeMessage, type Message, uint32, violation } from "./messages.ts";
import { startScram } from "./scram.ts";
import { translateServerError } from "./server-error.ts";
import { describeTarget, isSocket, type PostgresTarget } from "./target.ts";
import type { Wire } from "./wire.ts";

/** What the server tells at the start. */
export interface Greeting {
  /** Process id and secret, as a CancelRequest needs them; some poolers send none. */
  cancelKey: Buffer | undefined;
  pid: number;
  /** ParameterStatus: `server_encoding`, `server_version`, … */
  parameters: Map<string, string>;
}

interface Parts {
  wire: Wire;
  target: PostgresTarget;
  password: Secret | undefined;
}

/** Manual, "Message Flow", "Start-up": from the first message to the first ReadyForQuery. */
export async function startUp({ wire, target, password }: Parts): Promise<Greeting> {
  const { user, database } = target;
  // These two are safe before the first statement runs: nobody's operator, nobody's time limit.
  const safe = ["search_path", "", "statement_timeout", "0"];
  const options = ["user", user, "database", database, "application_name", "dbctl", ...safe];
  await wire.write(encodeMessage("", uint32(196608), ...options, Buffer.of(0)));
  await authenticate({ wire, target, password });
  const greeting: Greeting = { cancelKey: undefined, pid: 0, parameters: new Map() };
  for (;;) {
    const message = await readMessage(wire, target);
    if (message.type === "Z") return greeting;
    if (message.type === "S") noteParameter(greeting.parameters, message);
    else if (message.type === "K") {
      greeting.cancelKey = message.body.subarray(0, 8);
      greeting.pid = new BodyReader(message.body).int32();
    } else if (message.type !== "N")
      throw violation(`a message "${message.type}" came instead of the end of the start-up`);
  }
}

/** A server may report a setting at any time. */
export function noteParameter(parameters: Map<string, string>, { body }: Message): void {
  const reader = new BodyReader(body);
  parameters.set(reader.string(), reader.string());
  if (parameters.size > 200) throw violation("it reports more settings than a server has");
}

async function authenticate(parts: Parts): Promise<void> {
  const { wire, target } = parts;
  for (;;) {
    const message = await readMessage(wire, target);
    if (message.type !== "R") throw violation("it does not ask to authenticate");
    const reader = new BodyReader(message.body);
    const kind = reader.int32();
    if (kind === 0) return;
    if (kind === 3) await sendClearPassword(parts);
    else if (kind === 5) await sendMd5(parts, reader.bytes(4));
    else if (kind === 10) await authenticateByScram(parts, reader);
    else throw unsupported(target, kind);
  }
}

async function sendClearPassword(parts: Parts): Promise<void> {
  const { wire, target } = parts;
  if (wire.tls === undefined && !isSocket(target))
    throw new DbctlError(
      "engine-denied",
      `Cannot log in to ${describeTarget(target)}: it wants the password in clear text`,
      { remedy: "Use TLS (?sslmode=verify-full), or scram-sha-256 in its pg_hba.conf" },
    );
  await wire.write(encodeMessage("p", revealPassword(parts)));
}

async function sendMd5(parts: Parts, salt: Buffer): Promise<void> {
  const md5 = (...pieces: (string | Buffer)[]) =>
    createHash("md5")
      .update(Buffer.concat(pieces.map((piece) => Buffer.from(piece))))
      .digest("hex");
  const inner = md5(revealPassword(parts), parts.target.user);
  await parts.wire.write(encodeMessage("p", `md5${md5(inner, salt)}`));
}

/** Manual, "SASL Authentication". */
async function authenticateByScram(parts: Parts, offer: BodyReader): Promise<void> {
  const { wire, target } = parts;
  const mechanisms: string[] = [];
  for (let name = offer.string(); name !== ""; name = offer.string()) mechanisms.push(name);
  const scram = startScram({ password: revealPassword(parts), mechanisms, tls: wire.tls });
  const first = Buffer.from(scram.first);
  await wire.write(encodeMessage("p", scram.mechanism, uint32(first.length), first));
  const serverFirst = await readSasl(wire, target, 11);
  await wire.write(encodeMessage("p", Buffer.from(await scram.respond(serverFirst))));
  scram.verify(await readSasl(wire, target, 12));
}

async function readSasl(wire: Wire, target: PostgresTarget, expected: number): Promise<string> {
  const message = await readMessage(wire, target);
  const reader = new BodyReader(message.body);
  if (message.type !== "R" || reader.int32() !== expected)
    throw violation("the SCRAM exchange is out of order");
  return reader.bytes(reader.rest).toString("latin1");
}

function revealPassword({ password, target }: Parts): string {
  if (password !== undefined) return password.reveal();
  throw new DbctlError(
    "engine-denied",
    `Cannot log in to ${describeTarget(target)}: it asks for a password, and none is known`,
    { remedy: `Add a line for user ${target.user} to ~/.pgpass (chmod 0600), or set PGPASSWORD` },
  );
}

async function readMessage(wire: Wire, target: PostgresTarget): Promise<Message> {
  const message = await wire.readMessage();
  if (message.type === "E")
    throw translateServerError(message.body, `log in to ${describeTarget(target)}`);
  return message;
}

function unsupported(target: PostgresTarget, kind: number): DbctlError {
  return new DbctlError(
    "engine-unsupported",
    `Cannot log in to ${describeTarget(target)}: it wants authentication of kind ${kind}`,
    { remedy: "Allow peer, scram-sha-256, md5 or cert for this user in pg_hba.conf" },
  );
}
