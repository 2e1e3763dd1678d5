import { cp, rm } from "node:fs/promises";
import { flipOneByte } from "./flip-one-byte.ts";
import type { DemoParts, Latest } from "./protect.ts";

/** Verifies a backup, flips a bit in a copy of the repository, and verifies that: direct mode. */
export async function damageACopy(
  { narrator, fleet, sources }: DemoParts,
  latest: Latest,
): Promise<void> {
  const { repo, repoFolder, identity, run, ok } = fleet.dbctl;
  const [source] = sources;
  const backup = source === undefined ? "" : (latest.get(source) ?? "");
  const verify = (url: string) =>
    run("verify", backup, "--repo", url, "--identity", identity, "--json");
  const whole = await narrator.step(`Verify ${backup}: dbctl verify`, () => verify(repo));
  narrator.check("the backup is whole", whole.code === 0);
  const shown = await ok("backups", "show", backup, "--repo", repo, "--identity", identity);
  const copy = `${repoFolder}-copy`;
  await cp(repoFolder, copy, { recursive: true });
  const object = await flipOneByte(copy, String(shown["instance"]));
  const damaged = await narrator.step("Flip one bit in a copy of the repository, verify that", () =>
    verify(`file://${copy}`),
  );
  const { message } = damaged.document.error;
  narrator.note(message);
  const held = damaged.code === 65 && message.includes(object);
  narrator.check("verify fails and names the damaged object", held);
  await rm(copy, { recursive: true });
}
