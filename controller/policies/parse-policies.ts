import type { Node } from "yaml";
import { LineCounter, isMap, isSeq, parseDocument } from "yaml";
import { formatDuration } from "../../core/duration.ts";
import { isTimeZone } from "../../core/local-time.ts";
import { ruleOf } from "../../core/retention/retention-rule.ts";
import { ruleFields } from "../../core/retention/rule-fields.ts";
import type { RuleField, RuleValues } from "../../core/retention/rule-fields.ts";
import { parseCron } from "../schedule/cron.ts";
import { jitterBound, longestInterval } from "../schedule/next-run.ts";
import { FieldReader } from "./field-reader.ts";
import type { Fault, Findings } from "./field-reader.ts";
import { defaults, isSeverity } from "./policy.ts";
import type { Policy, Webhook } from "./policy.ts";
import { parseSelector } from "./selector.ts";

/** Reads a file of policies: all of them, or every fault it has. Intervals are computed from `now`. */
export function parsePolicies(text: string, now: Date): { policies: Policy[]; faults: Fault[] } {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const faults = [...document.errors, ...document.warnings].map(({ pos, message }) => {
    const { line, col } = counter.linePos(pos[0]);
    return { line, column: col, message, remedy: "Correct the YAML" };
  });
  if (faults.length > 0) return { policies: [], faults };
  const list = document.contents;
  if (!isSeq(list)) {
    const remedy = 'Begin each policy with "- name: …"; an empty list is []';
    return {
      policies: [],
      faults: [{ line: 1, column: 1, message: "not a list of policies", remedy }],
    };
  }
  const policies: Policy[] = [];
  for (const item of list.items) {
    const findings: Findings = { counter, faults, lines: {} };
    if (isMap(item))
      readPolicy(findings, { fields: new FieldReader(item, findings), policies, now });
    else faults.push(noPolicy(counter.linePos((item as Node | null)?.range?.[0] ?? 0)));
  }
  return { policies, faults };
}

function noPolicy({ line, col }: { line: number; col: number }): Fault {
  const message = "an entry is not a policy";
  return { line, column: col, message, remedy: "Write - name: …" };
}

interface Reading {
  fields: FieldReader;
  /** Those read so far. */
  policies: Policy[];
  now: Date;
}

function readPolicy(findings: Findings, { fields, policies, now }: Reading): void {
  const name = fields.required("name", parseName);
  if (policies.some((other) => other.name === name))
    fields.fault("name", `policy "${name}" is there twice`, "Give each policy its own name");
  const selector = fields.required("select", (text) => (parseSelector(text), text));
  const schedule = fields.required("schedule", (text) => (parseCron(text), text));
  const timeZone = fields.optional("time_zone", parseZone) ?? defaults.timeZone;
  const rpoSeconds = fields.duration("rpo") ?? defaults.rpoSeconds;
  const repositoryUrls = readRepositories(fields);
  const rest = {
    retention: readRetention(fields.map("retention"), timeZone),
    ...readOptions(fields.map("options")),
    ...readRetry(fields.map("retry")),
    webhooks: fields.maps("notify").flatMap(readWebhook),
  };
  fields.finish();
  if (name === undefined || selector === undefined || schedule === undefined) return;
  if (repositoryUrls === undefined) return;
  const intervalSeconds = longestInterval({ cron: parseCron(schedule), timeZone }, now);
  const jitterSeconds = jitterBound(intervalSeconds);
  const needed = intervalSeconds + jitterSeconds;
  if (rpoSeconds < needed)
    fields.fault("rpo", senseMessage({ schedule, rpoSeconds, needed }), senseRemedy(needed));
  const times = { schedule, timeZone, rpoSeconds, intervalSeconds, jitterSeconds };
  policies.push({ name, selector, ...times, repositoryUrls, ...rest, lines: findings.lines });
}

/** RPO-03: a goal that the schedule cannot reach is an alarm every day. */
export function senseMessage(plan: {
  schedule: string;
  rpoSeconds: number;
  needed: number;
}): string {
  const { schedule, rpoSeconds, needed } = plan;
  return `schedule "${schedule}" cannot give an RPO of ${formatDuration(rpoSeconds)}: with jitter and duration backups get ${formatDuration(needed)} old`;
}

export function senseRemedy(needed: number): string {
  return `Say rpo: ${Math.ceil(needed / 3600)}h, or run it more often`;
}

/** A repository, or several; undefined when that is faulty. */
function readRepositories(fields: FieldReader): string[] | undefined {
  if (!fields.has("repositories")) {
    const url = fields.required("repository", parseRepository);
    return url === undefined ? undefined : [url];
  }
  const urls = fields.list("repositories", parseRepository);
  if (fields.has("repository"))
    fields.fault("repository", `"repository" stands beside "repositories"`, "Remove one of them");
  if (urls === undefined) return undefined;
  const twice = urls.find((url, at) => urls.indexOf(url) !== at);
  if (urls.length === 0) fields.fault("repositories", `"repositories" is empty`, "Name one");
  if (urls.length > mostRepositories)
    fields.fault("repositories", `"repositories" are ${urls.length}`, "Name eight at most");
  if (twice === undefined) return urls;
  fields.fault("repositories", `"repositories": ${twice} is there twice`, "Name each once");
  return undefined;
}

/** Each costs a reading of the whole database. */
const mostRepositories = 8;

/** The fields of a retention rule, `_` for `-`; days begin in the policy's zone unless it says else. */
function readRetention(fields: FieldReader | undefined, zone: string): Policy["retention"] {
  if (fields === undefined) return defaults.retention;
  const values: Record<string, unknown> = {};
  let isRead = true;
  for (const name of Object.keys(ruleFields) as RuleField[]) {
    values[name] = fields.optional<unknown>(policyKey(name), ruleFields[name].read);
    if (values[name] === undefined && fields.has(policyKey(name))) isRead = false;
  }
  const { rule, faults } = ruleOf(values as RuleValues, { zone });
  // What follows from a value that could not be read is no news.
  for (const { name, message } of isRead ? faults : []) {
    const [key, path] = [policyKey(name || "keep-last"), name && `.${policyKey(name)}`];
    fields.fault(key, `"retention${path}": ${message}`, "Correct retention");
  }
  fields.finish();
  return rule;
}

/** How policies write the name of a rule's field. */
export function policyKey(name: string): string {
  return name.replaceAll("-", "_");
}

function readOptions(fields: FieldReader | undefined): Pick<Policy, "jobs" | "allowMissing"> {
  const jobs = fields?.integer("jobs", { min: 1, max: 128 }) ?? defaults.jobs;
  const allowMissing = fields?.boolean("allow_missing") ?? defaults.allowMissing;
  fields?.finish();
  return { jobs, allowMissing };
}

function readRetry(fields: FieldReader | undefined): Pick<Policy, "retries" | "retryDelaySeconds"> {
  const retries = fields?.integer("times", { min: 0, max: 100 }) ?? defaults.retries;
  const retryDelaySeconds = fields?.duration("delay") ?? defaults.retryDelaySeconds;
  fields?.finish();
  return { retries, retryDelaySeconds };
}

function readWebhook(fields: FieldReader): Webhook[] {
  const url = fields.required("webhook", parseWebhookUrl);
  const minSeverity = fields.optional("min_severity", (text) => {
    if (isSeverity(text)) return text;
    throw new SyntaxError(`"${text}" is not info, success, warning, error or critical`);
  });
  const secretFile = fields.text("secret_file") ?? "";
  fields.finish();
  if (url === undefined) return [];
  return [{ url, minSeverity: minSeverity ?? defaults.minSeverity, secretFile }];
}

function parseName(text: string): string {
  if (/^[A-Za-z0-9][\w.-]{0,62}$/.test(text)) return text;
  throw new SyntaxError(`"${text}" is not a name of up to 63 letters, digits, ".", "_", "-"`);
}

function parseZone(text: string): string {
  if (isTimeZone(text)) return text;
  throw new SyntaxError(`"${text}" is not a time zone such as UTC or Europe/Berlin`);
}

function parseRepository(text: string): string {
  if (text.startsWith("/")) return text;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw new SyntaxError(`"${text}" is neither a URL nor an absolute path`);
  if (url.password !== "") throw new SyntaxError("a password does not belong into a URL");
  return text;
}

function parseWebhookUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new SyntaxError(`"${text}" is not an http or https URL`);
  if (url.password !== "") throw new SyntaxError("a password does not belong into a URL");
  return text;
}
