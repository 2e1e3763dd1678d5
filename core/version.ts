import { existsSync, readFileSync } from "node:fs";

/** The version in package.json, which is one folder up in a checkout and two in a build. */
export function readVersion(): string {
  const places = ["../package.json", "../../package.json"].map(
    (at) => new URL(at, import.meta.url),
  );
  const place = places.find((url) => existsSync(url));
  if (place === undefined) throw new Error("Cannot find package.json");
  const { version } = JSON.parse(readFileSync(place, "utf8")) as { version: string };
  return version;
}
