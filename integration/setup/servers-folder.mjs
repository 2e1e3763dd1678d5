// Where servers that no package manager installs are unpacked: outside the checkout, kept between
// runs, and reachable for the unprivileged user that runs them.
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

export const serversFolder = process.env.DBCTL_TEST_SERVERS ?? join(tmpdir(), "dbctl-test-servers");

export const azuriteVersion = "3.37.0";
export const azuriteFolder = join(serversFolder, `azurite-${azuriteVersion}`);
