import {
  type DescMessage,
  type DescMethod,
  type DescService,
  type Message,
  create,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type MethodDefinition,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type UntypedHandleCall,
  Server,
  experimental,
} from "@grpc/grpc-js";
import type { PeerCertificate } from "node:tls";
import { DbctlError } from "../errors.ts";
import { type CallStatus, errorToStatus } from "./error-status.ts";
import { type Implementation, pathOf } from "./method-shapes.ts";
import { type OpenCall, OpenCalls } from "./open-calls.ts";
import type { CallContext, CallInfo, Identity, Peer } from "./peer.ts";
import { sendAll } from "./send-all.ts";

export interface RpcServerOptions {
  /** PEM. */
  tls: { ca: string; certificate: string; key: string };
  /**
   * Who calls, and whether they may: rejects to refuse. The certificate is unset when the caller
   * has none that the CA signed and that is in force.
   */
  identify: (call: CallInfo) => Promise<Identity>;
  /**
   * Runs before the answer is sent, and before a stream's first: when it rejects, the call fails.
   * A stream that fails later comes a second time.
   */
  record: (call: CallInfo & { identity: Identity; error?: DbctlError }) => Promise<void>;
  /** Where the open calls are listed. */
  calls?: OpenCalls;
}

export interface RpcServer extends AsyncDisposable {
  readonly grpc: Server;
  readonly options: RpcServerOptions;
  readonly calls: OpenCalls;
  /** Begins to listen at `host:port`; gives the port. */
  listen(address: string): Promise<number>;
}

const keepalive = {
  // A peer that vanished without a word is noticed within these 20 s.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.max_receive_message_length": 16 << 20,
};

/** When disposed, ends every open call, then closes. */
export function createRpcServer(options: RpcServerOptions): RpcServer {
  const grpc = new Server(keepalive);
  const { calls = new OpenCalls() } = options;
  return {
    grpc,
    options,
    calls,
    listen: (address) => listen(grpc, { address, tls: options.tls }),
    [Symbol.asyncDispose]: () => close(grpc, calls),
  };
}

/** Serves one method of the implementation per rpc. */
export function addService<S extends DescService>(
  server: RpcServer,
  service: S,
  implementation: Implementation<S, CallContext>,
): void {
  const methods = Object.values(service.method) as DescMethod[];
  const definitions = methods.map((method) => [method.localName, definitionOf(method)] as const);
  const handlers = methods.map((method) => {
    const implemented = implementation[method.localName as keyof typeof implementation];
    return [method.localName, handlerOf(method, implemented as AnyHandler, server)] as const;
  });
  server.grpc.addService(Object.fromEntries(definitions), Object.fromEntries(handlers));
}

async function listen(
  grpc: Server,
  { address, tls }: { address: string; tls: RpcServerOptions["tls"] },
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  grpc.bindAsync(address, serverCredentials(tls), (error, port) => {
    if (error === null) return resolve(port);
    const act = `Cannot listen at ${address}`;
    const remedy = "Check that no other process uses this port, or listen at another one";
    reject(new DbctlError("port-taken", `${act}: ${error.message}`, { remedy }));
  });
  return await promise;
}

/**
 * Asks every caller for a certificate but does not hang up on one without: enrolment comes before
 * the first certificate, and on the same port. gRPC shows a certificate only when the CA signed it
 * and it is in force; `identify` refuses all calls but enrolment without one.
 */
function serverCredentials({ ca, certificate, key }: RpcServerOptions["tls"]) {
  const authority = { caCertificate: Buffer.from(ca) };
  const pair = { certificate: Buffer.from(certificate), privateKey: Buffer.from(key) };
  // The library listens only once it has returned from asking.
  const soon = queueMicrotask;
  const provider = {
    addCaCertificateListener: (tell: (one: typeof authority) => void) =>
      soon(() => tell(authority)),
    addIdentityCertificateListener: (tell: (one: typeof pair) => void) => soon(() => tell(pair)),
    removeCaCertificateListener: () => {},
    removeIdentityCertificateListener: () => {},
  };
  // One provider of both: version 1.14 takes the two in the other order than it declares.
  return experimental.createCertificateProviderServerCredentials(provider, provider, false);
}

const drainMs = 5_000;

async function close(grpc: Server, calls: OpenCalls): Promise<void> {
  calls.endAll(
    new DbctlError("controller-unreachable", "Cannot go on with the call: the controller stops", {
      remedy: "Try again in a moment",
      retryable: true,
    }),
  );
  const { promise, resolve } = Promise.withResolvers<void>();
  const force = setTimeout(() => grpc.forceShutdown(), drainMs);
  grpc.tryShutdown(() => resolve());
  await promise;
  clearTimeout(force);
}

type AnyMessage = Message;
type Init = Record<string, unknown>;
type AnyHandler = (request: unknown, context: CallContext) => Promise<Init> | AsyncIterable<Init>;
/** Any of the library's kinds of calls. */
interface AnyCall {
  request?: AnyMessage;
  on(event: "cancelled", listener: () => void): unknown;
  getPeer(): string;
  getAuthContext(): { sslPeerCertificate?: PeerCertificate };
}

function definitionOf(method: DescMethod): MethodDefinition<AnyMessage, AnyMessage> {
  const serializer = (schema: DescMessage) => (message: AnyMessage) =>
    Buffer.from(toBinary(schema, message));
  const parser = (schema: DescMessage) => (bytes: Buffer) => fromBinary(schema, bytes);
  return {
    path: pathOf(method),
    requestStream: method.methodKind === "bidi_streaming",
    responseStream: method.methodKind !== "unary",
    requestSerialize: serializer(method.input),
    requestDeserialize: parser(method.input),
    responseSerialize: serializer(method.output),
    responseDeserialize: parser(method.output),
  };
}

type Reply = (error: CallStatus | null, response?: AnyMessage) => void;

function handlerOf(method: DescMethod, handler: AnyHandler, server: RpcServer): UntypedHandleCall {
  if (method.methodKind === "unary")
    return (call: ServerUnaryCall<AnyMessage, AnyMessage>, reply: Reply) => {
      const answer = async (context: CallContext, recorded: () => Promise<void>) => {
        const init = await (handler(call.request, context) as Promise<Init>);
        await recorded();
        reply(null, create(method.output, init));
      };
      void serve({ method, call, server, answer, fail: (status) => reply(status) });
    };
  return (call: ServerDuplexStream<AnyMessage, AnyMessage>) => {
    const answer = async (context: CallContext, recorded: () => Promise<void>) => {
      await recorded();
      const bidi = method.methodKind === "bidi_streaming";
      const request = bidi ? call.iterator({ destroyOnReturn: false }) : requestOf(call);
      const replies = handler(request, context) as AsyncIterable<Init>;
      await sendAll(replies, {
        to: call,
        make: (init) => create(method.output, init as Init),
        signal: context.signal,
      });
      call.end();
    };
    void serve({ method, call, server, answer, fail: (status) => call.emit("error", status) });
  };
}

const requestOf = (call: AnyCall) => call.request;

interface Serving {
  method: DescMethod;
  call: AnyCall;
  server: RpcServer;
  answer: (context: CallContext, recorded: () => Promise<void>) => Promise<void>;
  fail: (status: CallStatus) => void;
}

/** One call from its first byte to its status. Never rejects. */
async function serve({ method, call, server, answer, fail }: Serving): Promise<void> {
  const { options, calls } = server;
  using open = calls.open();
  call.on("cancelled", () => open.end(gone(method)));
  const info: CallInfo = { method, peer: peerOf(call) };
  if (call.request !== undefined) info.request = call.request;
  let identity: Identity = { kind: "none" };
  try {
    identity = await options.identify(info);
    open.belongsTo(identity);
    const context = contextOf(open, { info, identity });
    await answer(context, () => options.record({ ...info, identity }));
  } catch (reason) {
    // What a call throws after its end was decided is only an echo of that decision.
    const error = DbctlError.from(open.signal.aborted ? open.signal.reason : reason);
    try {
      await options.record({ ...info, identity, error });
      fail(errorToStatus(error));
    } catch (unrecorded) {
      fail(errorToStatus(unrecorded));
    }
  }
}

function contextOf(
  { signal }: OpenCall,
  { info, identity }: { info: CallInfo; identity: Identity },
): CallContext {
  return { signal, peer: { address: info.peer.address, identity } };
}

function peerOf(call: AnyCall): Peer {
  const { sslPeerCertificate: certificate } = call.getAuthContext();
  return { address: call.getPeer(), ...(certificate === undefined ? {} : { certificate }) };
}

function gone({ name }: DescMethod): DbctlError {
  return new DbctlError("interrupted", `Cannot go on with ${name}: the caller has gone`, {
    remedy: "Call again",
    retryable: true,
  });
}
