import assert from "node:assert/strict";
import { homedir } from "node:os";
import { test } from "node:test";
import { stateFolder } from "./state-folder.ts";

test("stateFolder() prefers DBCTL_STATE_DIR, then root's folder, then the XDG one", () => {
  assert.equal(stateFolder({ DBCTL_STATE_DIR: "/s", XDG_STATE_HOME: "/x" }, 0), "/s");
  assert.equal(stateFolder({ DBCTL_STATE_DIR: "" }, 0), "/var/lib/dbctl");
  assert.equal(stateFolder({ XDG_STATE_HOME: "/x" }, 1000), "/x/dbctl");
  assert.equal(stateFolder({}, 1000), `${homedir()}/.local/state/dbctl`);
});
