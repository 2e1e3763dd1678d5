import assert from "node:assert/strict";
import { randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { after, before, beforeEach, test } from "node:test";
import { enrol, identityFile, renewalIsDue, renewWhenDue } from "../agent/enrol.ts";
import { verifyAudit } from "../controller/audit/verify-audit.ts";
import { formatToken, parseToken } from "../core/enrolment-token.ts";
import type { FleetIdentity } from "../core/fleet-identity.ts";
import { Secret } from "../core/secret.ts";
import { makeCertificateRequest, makeKeyPair } from "../core/x509/key-pair.ts";
import { AgentLinkService, EnrolmentService } from "../proto/gen/dbctl/v1/agent_link_pb.ts";
import { AgentsService } from "../proto/gen/dbctl/v1/agents_pb.ts";
import { PoliciesService } from "../proto/gen/dbctl/v1/policies_pb.ts";
import { makeScratchAuthority } from "./fixtures/fleet-certificates.ts";
import { type FleetController, startFleetController } from "./fixtures/fleet-controller.ts";

const dayMs = 24 * 3600_000;
let fleet: FleetController;
before(async () => {
  fleet = await startFleetController();
});
after(() => fleet[Symbol.asyncDispose]());
beforeEach(() => {
  fleet.aheadMs = 0;
});

const agents = () => fleet.client(AgentsService, fleet.admin);
const { signal } = new AbortController();
const now = () => new Date();

async function makeToken(ttlSeconds = 3600, labels: Record<string, string> = {}): Promise<string> {
  return (await agents().createToken({ ttlSeconds, labels })).token;
}

async function join(host: string, options: { token?: string; stateDir?: string } = {}) {
  const { token = await makeToken(), stateDir = await fleet.folder() } = options;
  const identity = await enrol({ token: new Secret(token), host, stateDir, now, signal });
  return { identity, stateDir };
}

/** A link that says hello, and what becomes of it. */
function link(identity: FleetIdentity) {
  const stop = new AbortController();
  async function* speak() {
    yield { message: { case: "hello" as const, value: { version: "1" } } };
    await once(stop.signal, "abort");
  }
  const answers = fleet.client(AgentLinkService, identity).link(speak());
  return { answers: answers[Symbol.asyncIterator](), end: () => stop.abort() };
}

const lastAudit = async (call: string) =>
  (await fleet.db.one("select * from audit where call = :call order by position desc", { call })) ??
  assert.fail(`no ${call} in the audit log`);

test("enrol() makes a host known by one token and leaves its key readable to the owner only", async () => {
  const token = await makeToken(3600, { env: "prod" });
  const { identity, stateDir } = await join("db1", { token });
  const { mode } = await stat(identityFile(stateDir));
  assert.equal(mode & 0o777, 0o600);
  const { agents: known } = await agents().listAgents({});
  const agent = known.find(({ host }) => host === "db1");
  assert.deepEqual([agent?.labels, agent?.state], [{ env: "prod" }, "offline"]);
  const { validToDate, subject } = new X509Certificate(identity.certificate);
  assert.match(subject, new RegExp(`CN=${agent?.id}`));
  assert.ok(Math.abs(validToDate.getTime() - Date.now() - 7 * dayMs) < 60_000);
  const { answers, end } = link(identity);
  const welcome = (await answers.next()).value?.message;
  assert.equal(welcome?.case === "welcome" && welcome.value.agentId, agent?.id);
  end();
  await answers.next();
});

test("a token serves once, until its end, and only whole", async () => {
  const used = await makeToken();
  await join("db2", { token: used });
  const refused = { code: "token-refused" };
  await assert.rejects(join("db2b", { token: used }), { ...refused, message: /used at .* "db2"/ });
  const old = await makeToken(60);
  fleet.aheadMs = 60_000;
  await assert.rejects(join("db2b", { token: old }), { ...refused, message: /it ended at/ });
  fleet.aheadMs = 0;
  const guessed = {
    ...parseToken(used),
    secret: new Secret(randomBytes(32).toString("base64url")),
  };
  await assert.rejects(join("db2b", { token: formatToken(guessed) }), refused);
  for (const broken of ["", "dbctl1.", used.slice(1), used.slice(0, 60), `${used}`.toUpperCase()])
    await assert.rejects(join("db2b", { token: broken }), refused);
  const row = await lastAudit("EnrolmentService/Enrol");
  assert.match(String(row["result"]), /^token-refused: /);
  const texts = await fleet.db.all("select request || result as text from audit");
  for (const { text } of texts) assert.ok(!String(text).includes(guessed.secret.reveal()));
});

test("many hosts with one token: one of them is enrolled", async () => {
  const token = await makeToken();
  const tries = Array.from({ length: 5 }, (_, n) => join(`race${n}`, { token }));
  const outcomes = await Promise.allSettled(tries);
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
});

test("enrol() believes no controller but the one that its token names", async () => {
  const other = await makeScratchAuthority();
  const forged = { ...parseToken(await makeToken()), ca: other.ca.fingerprint };
  await assert.rejects(join("db3", { token: formatToken(forged) }), {
    code: "identity-wrong",
    message: /its CA is another one/,
  });
});

test("enrol() does not take a host from one fleet into another", async () => {
  const { stateDir } = await join("db3");
  await using other = await startFleetController();
  const client = other.client(AgentsService, other.admin);
  const { token } = await client.createToken({ ttlSeconds: 60 });
  const order = { token: new Secret(token), host: "db3", stateDir, now, signal };
  await assert.rejects(enrol(order), { code: "identity-wrong", message: /another fleet/ });
});

test("a name that an agent has is refused and audited; the token is still good", async () => {
  const { identity } = await join("db4");
  const token = await makeToken();
  await assert.rejects(join("db4", { token }), { code: "access-denied" });
  const row = await lastAudit("EnrolmentService/Enrol");
  assert.match(String(row["result"]), /^access-denied: .*another agent has this name/);
  assert.match(String(row["request"]), /"token":"\[redacted\]","host":"db4"/);
  await join("db4-new", { token });
  await fleet.client(EnrolmentService, identity).renew({
    certificateRequest: await makeCertificateRequest(await makeKeyPair()),
  });
});

test("enrol() refuses names that are no host names", async () => {
  for (const host of ["", "a/b", "a b", "-a", "a..b", "a\n", "é", "x".repeat(254)])
    await assert.rejects(join(host), { code: "usage" });
});

test("a certificate request that is none, too long, or not proven is refused", async () => {
  const { secret } = parseToken(await makeToken());
  const client = fleet.client(EnrolmentService, { ca: fleet.admin.ca });
  const good = await makeCertificateRequest(await makeKeyPair());
  const forged = Uint8Array.from(good);
  forged[forged.length - 5] = (forged[forged.length - 5] ?? 0) ^ 1;
  const cuts = [0, 1, 2, 50, good.length - 1].map((length) => good.subarray(0, length));
  for (const request of [...cuts, forged, new Uint8Array(5000)])
    await assert.rejects(
      client.enrol({ token: secret.reveal(), host: "db5", certificateRequest: request }),
      { code: "protocol-violated", message: /certificate request/ },
    );
  await client.enrol({ token: secret.reveal(), host: "db5", certificateRequest: good });
});

test("RevokeAgent() ends an open link, refuses the next one, and the host may come back", async () => {
  const { identity, stateDir } = await join("db6");
  const { answers } = link(identity);
  await answers.next();
  const ended = { code: "identity-wrong", message: /was revoked/ };
  const next = assert.rejects(Promise.resolve(answers.next()), ended);
  const { agent } = await agents().revokeAgent({ agent: "db6" });
  assert.equal(agent?.state, "revoked");
  await next;
  const again = link(identity);
  await assert.rejects(Promise.resolve(again.answers.next()), { code: "identity-wrong" });
  const row = await lastAudit("AgentLinkService/Link");
  assert.match(String(row["result"]), /^identity-wrong: /);
  const back = await join("db6", { stateDir });
  const { answers: good, end } = link(back.identity);
  const welcome = (await good.next()).value?.message;
  assert.equal(welcome?.case === "welcome" && welcome.value.agentId, agent?.id);
  end();
  await good.next();
  const old = link(identity);
  await assert.rejects(Promise.resolve(old.answers.next()), { code: "identity-wrong" });
});

test("of two machines with one key the newer is kept out", async () => {
  const { identity } = await join("twin");
  const first = link(identity);
  await first.answers.next();
  const second = link(identity);
  await assert.rejects(Promise.resolve(second.answers.next()), { code: "busy", retryable: true });
  first.end();
  await first.answers.next();
  const third = link(identity);
  await third.answers.next();
  third.end();
  await third.answers.next();
});

test("renewWhenDue() renews from two thirds of a certificate's life, and not before", async () => {
  const { identity, stateDir } = await join("db7");
  const early = await renewWhenDue({ stateDir, now }, { signal });
  assert.equal(early.certificate, identity.certificate);
  const late = () => new Date(Date.now() + 5 * dayMs);
  assert.deepEqual(
    [now, late].map((at) => renewalIsDue(identity.certificate, at())),
    [false, true],
  );
  const renewed = await renewWhenDue({ stateDir, now: late }, { signal });
  assert.notEqual(renewed.certificate, identity.certificate);
  assert.notEqual(renewed.key, identity.key);
  assert.deepEqual(await renewWhenDue({ stateDir, now }, { signal }), renewed);
  for (const one of [identity, renewed]) {
    const { answers, end } = link(one);
    await answers.next();
    end();
    await answers.next();
  }
});

test("a certificate that has ended by the controller's clock is refused, as are all others'", async () => {
  const { identity } = await join("db8");
  const refused = { code: "identity-wrong" };
  const renew = async (client: Partial<FleetIdentity>) =>
    await fleet.client(EnrolmentService, client).renew({ certificateRequest: new Uint8Array() });
  const stranger = await makeScratchAuthority();
  await assert.rejects(renew({ ca: fleet.admin.ca }), refused);
  const foreign = await stranger.certify({ kind: "agent", name: "db8" });
  await assert.rejects(renew({ ca: fleet.admin.ca, ...foreign }), refused);
  fleet.aheadMs = 7 * dayMs;
  await assert.rejects(renew(identity), { ...refused, message: /its certificate ended/ });
});

test("an agent may do nothing but link and renew; a user may not pass for an agent", async () => {
  const { identity } = await join("db9");
  const denied = { code: "access-denied" };
  const asAgent = fleet.client(AgentsService, identity);
  await assert.rejects(asAgent.listAgents({}), denied);
  await assert.rejects(asAgent.revokeAgent({ agent: "db1" }), denied);
  await assert.rejects(asAgent.createToken({ ttlSeconds: 60 }), denied);
  await assert.rejects(Promise.resolve(link(fleet.admin).answers.next()), denied);
  await fleet.db.run("update users set role = 'viewer'");
  await agents().listAgents({});
  await assert.rejects(agents().createToken({ ttlSeconds: 60 }), denied);
  const policies = fleet.client(PoliciesService, fleet.admin);
  await assert.rejects(policies.applyPolicies({ yaml: "x: 1" }), denied);
  await fleet.db.run("update users set role = 'admin'");
});

test("a host whose clock is off by more than five minutes is told so", async () => {
  const token = new Secret(await makeToken());
  const stateDir = await fleet.folder();
  const ahead = () => new Date(Date.now() + 6 * 60_000);
  const order = { token, host: "db10", stateDir, now: ahead, signal };
  await assert.rejects(enrol(order), { code: "config-invalid", message: /clock is 6 min ahead/ });
});

test("a stranger who keeps trying is no longer listened to, nor written down", async () => {
  await using other = await startFleetController();
  const client = other.client(EnrolmentService, { ca: other.admin.ca });
  const tries = Array.from({ length: 120 }, () =>
    client.enrol({ token: "guess", host: "h", certificateRequest: new Uint8Array() }),
  );
  const codes = (await Promise.allSettled(tries)).map(
    (outcome) => outcome.status === "rejected" && (outcome.reason as { code: string }).code,
  );
  assert.ok(codes.every((code) => code === "protocol-violated" || code === "busy"));
  await assert.rejects(client.enrol({ token: "guess", host: "h" }), { code: "busy" });
  const [row] = await other.db.all("select count(*) as rows from audit");
  assert.equal(row?.["rows"], 101);
  await other.client(AgentsService, other.admin).listAgents({});
});

test("the audit log holds all of this, and is whole", async () => {
  const { rows } = await verifyAudit(fleet.db);
  assert.ok(rows > 30, `${rows} rows`);
});
