import { lookup } from "node:dns";
import { BlockList, type LookupFunction, isIP } from "node:net";

/** Networks of IANA's special-purpose registries (RFC 6890) that no public service has. */
const special = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const)
  special.addSubnet(network, bits, "ipv4");
for (const [network, bits] of [
  ["::", 127],
  ["64:ff9b::", 96],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
] as const)
  special.addSubnet(network, bits, "ipv6");

/** Whether the address is one of the internet; IPv4 in IPv6 counts as IPv4. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && !special.check(address, family === 6 ? "ipv6" : "ipv4");
}

export class PrivateAddressError extends Error {
  override readonly name = "PrivateAddressError";
}

/** Looks a name up for a connection, and fails when one of its addresses is not public. */
export const lookupPublic: LookupFunction = (name, options, done) => {
  lookup(name, { ...options, all: true }, (error, found) => {
    const hidden = found?.find(({ address }) => !isPublicAddress(address));
    if (error !== null) done(error, []);
    else if (hidden !== undefined)
      done(new PrivateAddressError(`${name} has the private address ${hidden.address}`), []);
    else if (options.all === true) done(null, found);
    else done(null, found[0]?.address ?? "", found[0]?.family);
  });
};
