import { setTimeout as sleep } from "node:timers/promises";
import { DbctlError } from "../../../core/errors.ts";
import { versionNumber } from "./handshake.ts";
import { errnoOf } from "./server-error.ts";
import type { Session } from "./session.ts";

/** How long one try may wait for others, and how often it is tried (spec ENG-07). */
const waitSeconds = 5;
const tries = 10;
const pauseMs = 1000;

/** The server's writers stand still until this is disposed. */
export interface WriteStop extends AsyncDisposable {
  /** Lets writers go on; rejects when they had not been held until now. */
  release(): Promise<void>;
}

interface Stop {
  begin: string[];
  end: string;
}

/**
 * Stops all commits of the server, for as short as possible.
 *
 * MariaDB 10.4+: backup stages. BLOCK_DDL waits for statements that write to non-transactional
 * tables and holds back new ones and schema changes; BLOCK_COMMIT waits for running commits and
 * holds back new ones, so that all views begun meanwhile are the same (MariaDB manual, "BACKUP
 * STAGE"). Elsewhere: FLUSH TABLES WITH READ LOCK.
 */
export async function stopWrites(session: Session, signal: AbortSignal): Promise<WriteStop> {
  const stop = chooseStop(session);
  await session.execute(`SET SESSION lock_wait_timeout = ${waitSeconds}`, { signal });
  for (let attempt = 1; ; attempt++) {
    try {
      if (stop === readLock) await refuseLongStatements(session, signal);
      for (const sql of stop.begin) await session.execute(sql, { signal, act: "stop writes" });
      return held(session, { stop, signal });
    } catch (reason) {
      if (errnoOf(reason) === 1227 || errnoOf(reason) === 1044) throw missingRight(reason);
      const mayRetry = reason instanceof DbctlError && reason.code === "busy";
      if (!mayRetry) throw reason;
      await endTry(session, stop, signal);
      if (attempt === tries) throw reason;
      await sleep(pauseMs, undefined, { signal });
    }
  }
}

const stages: Stop = {
  begin: ["START", "FLUSH", "BLOCK_DDL", "BLOCK_COMMIT"].map((stage) => `BACKUP STAGE ${stage}`),
  end: "BACKUP STAGE END",
};
const readLock: Stop = { begin: ["FLUSH TABLES WITH READ LOCK"], end: "UNLOCK TABLES" };

function chooseStop({ greeting: { flavour, version } }: Session): Stop {
  return flavour === "mariadb" && versionNumber(version) >= 1004 ? stages : readLock;
}

/** 4146: not even the first stage was reached. */
async function endTry(session: Session, { end }: Stop, signal: AbortSignal): Promise<void> {
  try {
    await session.execute(end, { signal, act: "let writes go on" });
  } catch (reason) {
    if (errnoOf(reason) !== 4146) throw reason;
  }
}

function held(session: Session, { stop, signal }: { stop: Stop; signal: AbortSignal }): WriteStop {
  let isHeld = true;
  const release = async () => {
    isHeld = false;
    await session.execute(stop.end, { signal, act: "let writes go on" });
  };
  return {
    release,
    [Symbol.asyncDispose]: async () => {
      // The session's end releases the lock as well; what is failing already needs no second error.
      if (isHeld && !signal.aborted) await release();
    },
  };
}

/** A read lock waits for running statements, and everybody else waits for the read lock. */
async function refuseLongStatements(session: Session, signal: AbortSignal): Promise<void> {
  const rows = await session.query(
    `SELECT ID AS id, USER AS user, TIME AS seconds FROM information_schema.PROCESSLIST
     WHERE COMMAND IN ('Query', 'Execute') AND TIME >= ${waitSeconds} AND ID <> CONNECTION_ID()`,
    { signal, act: "look for long statements" },
  );
  const [first] = rows;
  if (first === undefined) return;
  const who = `connection ${first["id"]} of ${first["user"]} runs one for ${first["seconds"]} s`;
  throw new DbctlError("busy", `Cannot stop writes: statements are running for long: ${who}`, {
    remedy: "Start the backup when no long statements run, or end them",
    retryable: true,
  });
}

function missingRight(cause: unknown): DbctlError {
  return new DbctlError(
    "engine-denied",
    "Cannot stop writes: the account lacks the right, so that readers would not see one moment",
    { remedy: "Run GRANT RELOAD, PROCESS ON *.* TO <the account of the URL>", cause },
  );
}
