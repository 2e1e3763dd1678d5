import { basename } from "node:path";
import { openDump } from "../../agent/import/open-dump.ts";
import { describeDamage, describePlace } from "../../agent/import/refused-dump.ts";
import type { Dialect, Survey } from "../../agent/import/statement.ts";
import { exitCodes } from "../../core/errors.ts";
import { formatBytes, formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";

interface CheckFlags {
  deep: boolean;
  dialect?: Dialect;
  json: boolean;
  signal: AbortSignal;
}

/** Tables that are shown to people one by one. */
const mostTables = 20;

/** Tells what is in a dump and whether it is whole. A damaged one is a result as well. */
export async function checkDump(path: string, flags: CheckFlags): Promise<void> {
  const { deep, dialect, json, signal } = flags;
  const source = await openDump(path, { dialect, signal });
  using progress = new Progress();
  progress.begin(`checking ${basename(path)}`, source.fileBytes);
  const onRead = (bytes: number) => progress.add(bytes);
  const survey = await source.survey({ signal, deep, onRead });
  progress[Symbol.dispose]();
  const verdict = judge(survey);
  const document = { file: path, ...verdict, ...survey, ...errorOf(path, verdict, survey) };
  const lines = [...describeDump(path, survey), verdict.verdict, `  → ${verdict.advice}`];
  await printResult(document, { json, lines });
  if (!verdict.ok) process.exitCode = exitCodes["dump-damaged"];
}

function errorOf(path: string, { ok, verdict, advice }: Verdict, { refusals }: Survey) {
  if (ok) return {};
  const code = refusals.length > 0 ? "dump-refused" : "dump-damaged";
  return { error: { code, message: `Cannot import ${path}: ${verdict}`, remedy: advice } };
}

interface Verdict {
  ok: boolean;
  verdict: string;
  advice: string;
}

function judge({ damage, refusals, tables, databases, hasRows }: Survey): Verdict {
  const [first] = refusals;
  if (first !== undefined)
    return {
      ok: false,
      verdict: `The dump is refused: ${describePlace(first.place)} holds ${first.what}.`,
      advice: first.remedy ?? "Find out how it got there; no dump tool writes it",
    };
  if (damage !== null) {
    const whole = damage.lastTable === null ? 0 : completeTables(tables, damage.lastTable);
    const none = hasRows ? "no table in it is complete" : "--deep shows which tables are complete";
    return {
      ok: false,
      verdict: `The dump is ${damage.kind}: ${describeDamage(damage)}.`,
      advice:
        whole === 0
          ? `Make the dump again, or take an older one; ${none}`
          : `Make the dump again, or take an older one; the rows of its first ${whole} tables are complete`,
    };
  }
  const several = databases.length > 1 ? " --databases" : "";
  if (!hasRows)
    return {
      ok: true,
      verdict: "The table of contents is whole, and the data are where they should be.",
      advice: "Add --deep to have all of it read",
    };
  return {
    ok: true,
    verdict: "The dump is whole.",
    advice: `Import it with dbctl import FILE --to URL --create${several}`,
  };
}

function completeTables(tables: Survey["tables"], last: string): number {
  return tables.findLastIndex(({ name }) => name === last) + 1;
}

function describeDump(path: string, survey: Survey): string[] {
  const { format, compression, tables, statements, databases, hasRows } = survey;
  const tool = [survey.tool ?? "an unknown tool", survey.toolVersion ?? ""].join(" ").trim();
  const server = survey.serverVersion === null ? "" : `, from server ${survey.serverVersion}`;
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const shown = tables
    .toSorted((a, b) => b.rows - a.rows)
    .slice(0, mostTables)
    .map(({ name, rows }) => [name, hasRows ? String(rows) : "?"]);
  const more = tables.length - shown.length;
  const read = hasRows ? "expanded" : "without rows";
  const unit = format === "sql" ? "lines" : "entries";
  return [
    `${path}: ${format} for ${survey.dialect}, compression ${compression}`,
    `written by ${tool}${server}`,
    `${formatBytes(survey.fileBytes)}, ${read} ${formatBytes(survey.bytes)} in ${survey.lines} ${unit}`,
    `${statements} statements, ${tables.length} tables${hasRows ? ` with ${rows} rows` : ""}`,
    ...(databases.length > 0 ? [`databases: ${databases.join(", ")}`] : []),
    ...Object.entries(survey.facts).map(([name, value]) => `${name}: ${value}`),
    ...(shown.length > 0 ? formatTable([["table", "rows"], ...shown]) : []),
    ...(more > 0 ? [`and ${more} more`] : []),
  ];
}
