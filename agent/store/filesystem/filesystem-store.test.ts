import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readdir, rename, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { makeScratchFolder } from "../../../integration/fixtures/scratch-folder.ts";
import { describeObjectStore } from "../object-store-contract.ts";
import { fileError } from "./file-error.ts";
import { createFilesystemStore, parseFileUrl } from "./filesystem-store.ts";

const run = promisify(execFile);
const { signal } = new AbortController();

describeObjectStore("filesystem store", async () => {
  const folder = await makeScratchFolder("store");
  const store = createFilesystemStore(join(folder.path, "not/there/yet"));
  return { store, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
});

test("createFilesystemStore() makes files 0600 and folders 0700", async () => {
  await using folder = await makeScratchFolder("store");
  const root = join(folder.path, "root");
  await createFilesystemStore(root).put("a/b/c", [Buffer.from("x")], { signal });
  const mode = async (path: string) => ((await stat(join(root, path))).mode & 0o777).toString(8);
  assert.deepEqual(await Promise.all([".", "a", "a/b", "a/b/c"].map(mode)), [
    "700",
    "700",
    "700",
    "600",
  ]);
});

test("createFilesystemStore() leaves no upload behind, whether a put ends well or not", async () => {
  await using folder = await makeScratchFolder("store");
  const store = createFilesystemStore(folder.path);
  await store.put("a", [Buffer.from("x")], { signal });
  await assert.rejects(store.put("a", [Buffer.from("y")], { signal }));
  const failing = (async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from("half");
    throw new Error("disk on fire");
  })();
  await assert.rejects(store.put("b", failing, { signal }), /disk on fire/);
  assert.deepEqual((await readdir(folder.path, { recursive: true })).toSorted(), [".uploads", "a"]);
});

test("list() does not show what a crash has left", async () => {
  await using folder = await makeScratchFolder("store");
  await mkdir(join(folder.path, ".uploads"));
  await writeFile(join(folder.path, ".uploads", "0b54"), "half");
  const store = createFilesystemStore(folder.path);
  assert.deepEqual(await Array.fromAsync(store.list("", { signal })), []);
});

test("put() removes what a crash has left a day ago, and nothing younger", async () => {
  await using folder = await makeScratchFolder("store");
  const uploads = join(folder.path, ".uploads");
  await mkdir(uploads);
  for (const [name, hours] of [
    ["old", 25],
    ["young", 23],
  ] as const) {
    await writeFile(join(uploads, name), "half");
    const then = new Date(Date.now() - hours * 3600 * 1000);
    await utimes(join(uploads, name), then, then);
  }
  await createFilesystemStore(folder.path).put("a", [], { signal });
  assert.deepEqual(await readdir(uploads), ["young"]);
});

test("put() that the file system stops is store-full and leaves nothing", async () => {
  await using folder = await makeScratchFolder("store");
  const script = `
    import { createFilesystemStore } from ${JSON.stringify(import.meta.resolve("./filesystem-store.ts"))};
    const store = createFilesystemStore(${JSON.stringify(folder.path)});
    const { signal } = new AbortController();
    const error = await store.put("a", [Buffer.alloc(1 << 20)], { signal }).catch((e) => e);
    process.stdout.write(error.code + " " + error.message);`;
  // A limit on the size of files is the full disk that needs no rights: setrlimit(2), RLIMIT_FSIZE.
  const limited = ["-c", `trap "" XFSZ; ulimit -f 128; exec "$0" --input-type=module -e "$1"`];
  const { stdout } = await run("sh", [...limited, process.execPath, script]);
  assert.match(stdout, /^store-full Cannot create .*\/a: the file is too large$/);
  assert.deepEqual(await readdir(folder.path, { recursive: true }), [".uploads"]);
});

test("put() commits nothing when it is aborted while the bytes go to the disk", async () => {
  await using folder = await makeScratchFolder("store");
  const store = createFilesystemStore(folder.path);
  const controller = new AbortController();
  const body = (async function* () {
    yield Buffer.alloc(4 << 20, 1);
    // The body has ended when this runs, and fsync(2) has not.
    setImmediate(() => controller.abort(new Error("enough")));
  })();
  await assert.rejects(store.put("a", body, { signal: controller.signal }), /enough/);
  assert.deepEqual(await Array.fromAsync(store.list("", { signal })), []);
});

test("put() hands on the error of its body as it is", async () => {
  await using folder = await makeScratchFolder("store");
  const reset = Object.assign(new Error("reset"), { code: "ECONNRESET", syscall: "read" });
  const failing = (async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from("half");
    throw reset;
  })();
  const put = createFilesystemStore(folder.path).put("a", failing, { signal });
  await assert.rejects(put, (error) => error === reset);
});

test("fileError() tells full, forbidden and broken apart", () => {
  const code = (errno: string) => {
    const error = Object.assign(new Error(errno), { code: errno, syscall: "write" });
    return (fileError("create", "a", error) as { code: string }).code;
  };
  assert.deepEqual(["ENOSPC", "EDQUOT", "EACCES", "EROFS", "EIO", "ESTALE"].map(code), [
    "store-full",
    "store-full",
    "store-denied",
    "store-denied",
    "store-io",
    "store-io",
  ]);
  const other = new Error("ours");
  assert.equal(fileError("create", "a", other), other);
});

test("parseFileUrl() takes absolute paths on this host only", () => {
  assert.equal(parseFileUrl("file:///srv/my%20backups"), "/srv/my backups");
  assert.equal(parseFileUrl("file:///a%23b%3F%25"), "/a#b?%");
  const odd = [
    "file:///a#b",
    "file:///a?b",
    "file:///a%",
    "file:///a%2Fb",
    "file:///a#",
    "file:///a%C3",
  ];
  for (const url of ["", "/srv", "file:srv", "file://host/srv", "file:///", "s3://a/b", ...odd])
    assert.throws(() => parseFileUrl(url), { code: "usage" });
});

test("createFilesystemStore() lists nothing beside a link, behind which more may be", async () => {
  await using folder = await makeScratchFolder("store");
  const root = join(folder.path, "root");
  const store = createFilesystemStore(root);
  await store.put("a/backups/b", [Buffer.from("x")], { signal });
  await store.put("c/d", [Buffer.from("x")], { signal });
  await rename(join(root, "a/backups"), join(folder.path, "elsewhere"));
  await symlink(join(folder.path, "elsewhere"), join(root, "a/backups"));
  const list = (prefix: string) => Array.fromAsync(store.list(prefix, { signal }));
  for (const prefix of ["", "a/", "a/backups/", "a/backups/b"])
    await assert.rejects(
      list(prefix),
      { code: "store-io", message: /a\/backups: .* link/ },
      prefix,
    );
  assert.equal((await list("c/")).length, 1);
  await symlink(join(folder.path, "elsewhere"), join(root, "e"));
  await assert.rejects(Array.fromAsync(store.listFolders("", { signal })), { message: /link/ });
});
