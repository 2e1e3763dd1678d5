import type { DbctlError } from "../../core/errors.ts";
import type { CallInfo, Identity } from "../../core/grpc/peer.ts";
import type { Db } from "../database/database.ts";
import { callName } from "../trust/permissions.ts";
import { actorOf } from "../trust/identify.ts";
import { describeRequest } from "./describe-request.ts";
import { recordAudit } from "./record-audit.ts";

/** In letters. Whoever floods the controller with calls must not fill its disk with their size. */
const maxRequest = 8000;

/** One row for one rpc: who asked for what, from where, and what they got. */
export async function auditCall(
  db: Db,
  call: CallInfo & { identity: Identity; error?: DbctlError },
  now: Date,
): Promise<void> {
  const { method, peer, identity, request, error } = call;
  const shown = request === undefined ? {} : describeRequest(method.input, request);
  const good = method.methodKind === "unary" ? "ok" : "opened";
  const entry = {
    actor: actorOf(identity),
    address: peer.address,
    call: callName(method),
    request: JSON.stringify(shown).slice(0, maxRequest),
    result: error === undefined ? good : `${error.code}: ${error.message}`,
  };
  await recordAudit(db, entry, now);
}
