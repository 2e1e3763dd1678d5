import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { PeerCertificate } from "node:tls";

export type Role = "viewer" | "operator" | "admin";

/** Who calls. An agent's name is its host, a user's its own. */
export type Identity =
  | { kind: "agent"; id: string; name: string; serial: string }
  | { kind: "user"; name: string; role: Role; serial: string }
  | { kind: "none" };

export interface Peer {
  /** Address and port. */
  address: string;
  certificate?: PeerCertificate;
}

export interface CallInfo {
  method: DescMethod;
  peer: Peer;
  /** Unset when the caller sends a stream. */
  request?: Message;
}

/** What an rpc's function is given besides the request. */
export interface CallContext {
  /** Aborts when the caller goes or cancels, at the deadline, at revocation, at shutdown. */
  signal: AbortSignal;
  peer: { address: string; identity: Identity };
}
