import { after, before } from "node:test";
import { type CephServer, startCeph } from "../../../integration/fixtures/ceph-server.ts";
import { makeBucket, openAs, s3Url } from "../../../integration/fixtures/s3-bucket.ts";
import { describeObjectStore } from "../object-store-contract.ts";

let ceph: CephServer;
before(async () => {
  ceph = await startCeph();
});
after(() => ceph[Symbol.asyncDispose]());

for (const kind of ["plain", "versioned", "locked"] as const)
  describeObjectStore(`s3 store in a ${kind} bucket`, async () => {
    const url = s3Url(ceph, await makeBucket(ceph, kind));
    const store = await openAs(ceph.operator, url);
    return { store, [Symbol.asyncDispose]: async () => {} };
  });
