import type { Mutation } from "./mutation.ts";

const repository = "agent/repository";

/** Defects in the order of writing, in a host's state and in what readers check. */
export const commitOrder: readonly Mutation[] = [
  {
    defect: "a backup is committed while packs are still on their way",
    file: `${repository}/chunk-writer.ts`,
    from: "    await Promise.all(this.#uploads.values());\n    this.#throwIfFailed();\n    return",
    to: "    return",
    tests: [`${repository}/chunk-writer.test.ts`, `${repository}/repository.test.ts`],
  },
  {
    defect: "the manifest is put before the last map",
    file: `${repository}/backup-writer.ts`,
    from: "    const packs = this.#livePacks();\n    await this.#flush();",
    to: "    const packs = this.#livePacks();\n    void this.#flush();",
    tests: [`${repository}/backup-writer.test.ts`, `${repository}/repository.test.ts`],
  },
  {
    defect: "a backup begins without an intent",
    file: `${repository}/backup-writer.ts`,
    from: "await store.put(intentKey({ instance, id }), [json], { signal });",
    to: "void json;",
    tests: [`${repository}/backup-writer.test.ts`, `${repository}/repository.test.ts`],
  },
  {
    defect: "a manifest's number is not reserved before it is put",
    file: `${repository}/backup-writer.ts`,
    from: "await state.reserve(link);",
    to: "",
    tests: [`${repository}/backup-writer.test.ts`],
  },
  {
    defect: "an epoch's key is used before the store has it",
    file: `${repository}/host-state.ts`,
    from: "await store.put(epochKey(epoch), [bytes], { signal });",
    to: "void bytes;",
    tests: [`${repository}/host-state.test.ts`, `${repository}/repository.test.ts`],
  },
  {
    defect: "an epoch never ends by its age",
    file: `${repository}/host-state.ts`,
    from: "if (now.getTime() - Date.parse(epoch.created) > maxEpochAgeMs) return false;",
    to: "",
    tests: [`${repository}/host-state.test.ts`],
  },
  {
    defect: "a host refers to packs that the store has lost",
    file: `${repository}/complete-index.ts`,
    from: "filter(({ pack, size }) => there.get(pack) !== size)",
    to: "filter(({ size }) => size < 0)",
    tests: [`${repository}/host-state.test.ts`],
  },
  {
    defect: "a host refers to packs that have another size",
    file: `${repository}/complete-index.ts`,
    from: "there.get(pack) !== size)",
    to: "there.get(pack) === undefined && size >= 0)",
    tests: [`${repository}/host-state.test.ts`],
  },
  {
    defect: "the signature of a manifest is not checked",
    file: `${repository}/manifest-bytes.ts`,
    from: "if (!isSignedBy(header.signer, signed(json), signature))",
    to: "if (!isSignedBy(header.signer, signed(json), signature) && json.length === 0)",
    tests: [`${repository}/list-backups.test.ts`],
  },
  {
    defect: "a manifest in another backup's place is taken for it",
    file: `${repository}/read-header.ts`,
    from: "if (header.id !== place?.id || header.instance !== place.instance)",
    to: "if (place === undefined)",
    tests: [`${repository}/open-backup.test.ts`, `${repository}/list-backups.test.ts`],
  },
  {
    defect: "an epoch's key in another epoch's place is taken for it",
    file: `${repository}/open-backup.ts`,
    from: "if (!isDeepStrictEqual([file.repository, file.instance, file.epoch], place))",
    to: "if (place.length === 0)",
    tests: [`${repository}/open-backup.test.ts`],
  },
  {
    defect: "one manifest that cannot be read hides from the list without a word",
    file: `${repository}/list-backups.ts`,
    from: "failures.push(error);",
    to: "",
    tests: [`${repository}/list-backups.test.ts`],
  },
  {
    defect: "a rotation removes the older key before the newer one is there",
    file: "agent/keys/rotate-epochs.ts",
    from: "if (isNew) {",
    to: "for await (const _ of removeOlder(sealings, { store, list, signal }));\n    if (isNew) {",
    tests: ["agent/keys/rotate-epochs.test.ts"],
  },
  {
    defect: "a rotation goes on with keys that nobody has tried",
    file: "agent/keys/rotate-epochs.ts",
    from: "await proveOpening(sealed, file, { identity, object });",
    to: "",
    tests: ["agent/keys/rotate-epochs.test.ts"],
  },
  {
    defect: "two changes of the recipients at once both count",
    file: `${repository}/recipient-list.ts`,
    from: 'if (!(error instanceof DbctlError) || error.code !== "object-exists") throw error;\n    throw new DbctlError("busy"',
    to: 'if (error instanceof DbctlError) return number;\n    throw new DbctlError("busy"',
    tests: ["agent/keys/rotate-epochs.test.ts"],
  },
];
