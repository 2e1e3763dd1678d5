import { DbctlError } from "../../core/errors.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { EpochKeys } from "./epoch.ts";
import { intentLifeMs } from "./intent.ts";
import type { BackupHeader } from "./manifest.ts";
import { packPrefix } from "./object-key.ts";

interface Run {
  store: ObjectStore;
  epoch: EpochKeys;
  packs: BackupHeader["packs"];
  started: Date;
  finished: Date;
  signal: AbortSignal;
}

/** Clocks may differ by a day. */
const sureMs = intentLifeMs - 24 * 3600 * 1000;

/**
 * A backup that ran for so long that prunes may no longer have waited for it (its machine may have
 * been suspended) looks whether all packs that it refers to are there. Throws when not, or when it
 * may not look.
 */
export async function assertPacksThere(run: Run): Promise<void> {
  const { store, epoch, packs, started, finished, signal } = run;
  if (+finished - +started < sureMs) return;
  const prefix = packPrefix(epoch);
  const there = new Map<string, number>();
  try {
    for await (const { key, size } of store.list(prefix, { signal }))
      there.set(key.slice(prefix.length), size);
  } catch (error) {
    if (!(error instanceof DbctlError) || error.code !== "store-denied") throw error;
    throw tooLong(run, "this host may not look whether what it refers to is still there", error);
  }
  const lost = packs.filter(({ pack, size }) => there.get(pack) !== size).length;
  if (lost > 0) throw tooLong(run, `${lost} packs that it refers to are not there any more`);
}

function tooLong({ started, finished }: Run, what: string, cause?: unknown): DbctlError {
  const days = Math.floor((+finished - +started) / (24 * 3600 * 1000));
  return new DbctlError(
    "failed",
    `Cannot commit the backup: it ran for ${days} days, and ${what}`,
    {
      remedy: "Back up again; with --fresh-epoch, it refers to nothing that was there before",
      cause,
    },
  );
}
