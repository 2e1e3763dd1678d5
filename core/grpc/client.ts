import {
  type DescMethod,
  type DescService,
  type Message,
  create,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  type ServiceError,
  Client as GrpcClient,
  Metadata,
  credentials,
} from "@grpc/grpc-js";
import { DbctlError } from "../errors.ts";
import { errorFromStatus } from "./error-status.ts";
import { type Client, pathOf } from "./method-shapes.ts";
import { sendAll } from "./send-all.ts";

export interface ChannelOptions {
  /** `host:port`. */
  address: string;
  /** PEM. Without certificate and key nothing but enrolment is allowed. */
  tls: { ca: string; certificate?: string; key?: string };
}

export interface CallOptions {
  /** Unary calls have 30 s when nothing is said; streams have no end of their own. */
  deadlineMs?: number;
  signal?: AbortSignal;
}

/** A connection that clients of several services share. It is made when first used. */
export interface Channel extends Disposable {
  readonly address: string;
  readonly grpc: GrpcClient;
}

/**
 * The name in every controller's certificate. A fleet's CA gives it to controllers only, so that
 * clients know one under whatever address they reach it, and no agent can pass for one.
 */
export const controllerName = "controller.dbctl.internal";

export function openChannel({ address, tls }: ChannelOptions): Channel {
  const { ca, certificate, key } = tls;
  const own = [key, certificate].map((pem) => (pem === undefined ? null : Buffer.from(pem)));
  const secure = credentials.createSsl(Buffer.from(ca), own[0] ?? null, own[1] ?? null);
  const grpc = new GrpcClient(address, secure, {
    "grpc.ssl_target_name_override": controllerName,
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.max_receive_message_length": 16 << 20,
    // Retries belong to the callers: only they know what may be done twice.
    "grpc.enable_retries": 0,
    "grpc.use_local_subchannel_pool": 1,
  });
  return { address, grpc, [Symbol.dispose]: () => grpc.close() };
}

/** A client of the service: one function per rpc. Rejects with `DbctlError` only. */
export function createClient<S extends DescService>(
  service: S,
  channel: Channel,
): Client<S, CallOptions> {
  const methods = Object.values(service.method) as DescMethod[];
  const entries = methods.map((method) => [method.localName, callerOf(method, channel)]);
  return Object.fromEntries(entries) as Client<S, CallOptions>;
}

type Init = Record<string, unknown>;

function callerOf(method: DescMethod, channel: Channel): unknown {
  if (method.methodKind === "unary")
    return (request: Init, options: CallOptions = {}) =>
      callUnary({ method, channel, options }, create(method.input, request));
  if (method.methodKind === "server_streaming")
    return (request: Init, options: CallOptions = {}) =>
      callServerStream({ method, channel, options }, create(method.input, request));
  return (requests: AsyncIterable<Init>, options: CallOptions = {}) =>
    callBidi({ method, channel, options }, requests);
}

interface Call {
  method: DescMethod;
  channel: Channel;
  options: CallOptions;
}

const unaryDeadlineMs = 30_000;

async function callUnary(call: Call, request: Message): Promise<Message> {
  const { method, channel, options } = call;
  options.signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Message>();
  const { path, write, read } = codecOf(method);
  const limits = { deadline: Date.now() + (options.deadlineMs ?? unaryDeadlineMs) };
  const metadata = new Metadata();
  const answer = (error: ServiceError | null, response?: Message) => {
    if (error !== null) reject(failureOf(call, error));
    else if (response === undefined) reject(failureOf(call, new Error("there is no answer")));
    else resolve(response);
  };
  // oxlint-disable-next-line max-params
  const made = channel.grpc.makeUnaryRequest(path, write, read, request, metadata, limits, answer);
  const cancel = () => made.cancel();
  options.signal?.addEventListener("abort", cancel, { once: true });
  try {
    return await promise;
  } finally {
    options.signal?.removeEventListener("abort", cancel);
  }
}

async function* callServerStream(call: Call, request: Message): AsyncGenerator<Message> {
  const { method, channel, options } = call;
  options.signal?.throwIfAborted();
  const { path, write, read } = codecOf(method);
  const stream = channel.grpc.makeServerStreamRequest(path, write, read, request, limitsOf(call));
  yield* receive(call, stream);
}

async function* callBidi(call: Call, requests: AsyncIterable<Init>): AsyncGenerator<Message> {
  const { method, channel, options } = call;
  options.signal?.throwIfAborted();
  const { path, write, read } = codecOf(method);
  const stream = channel.grpc.makeBidiStreamRequest(path, write, read, limitsOf(call));
  const stop = new AbortController();
  let sourceFailure: { reason: unknown } | undefined;
  const make = (init: unknown) => create(method.input, init as Init);
  const sending = sendAll(requests, { to: stream, make, signal: stop.signal }).then(
    () => stream.end(),
    (reason: unknown) => {
      if (!stop.signal.aborted) sourceFailure = { reason };
      stream.cancel();
    },
  );
  try {
    yield* receive(call, stream);
  } catch (error) {
    throw sourceFailure === undefined ? error : sourceFailure.reason;
  } finally {
    stop.abort(new Error("the call has ended"));
    await sending;
  }
}

type Incoming = ClientReadableStream<Message> | ClientDuplexStream<Message, Message>;

/** All answers; cancels the call when the reader stops early or the signal aborts. */
async function* receive(call: Call, stream: Incoming): AsyncGenerator<Message> {
  const { signal } = call.options;
  const cancel = () => stream.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  // The iterator tells the error; this keeps one that comes before or after it from being unheard.
  stream.on("error", () => {});
  try {
    yield* stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Message>;
  } catch (error) {
    throw failureOf(call, error as ServiceError);
  } finally {
    signal?.removeEventListener("abort", cancel);
    stream.cancel();
  }
}

function failureOf({ method, channel, options }: Call, error: ServiceError | Error): DbctlError {
  if (options.signal?.aborted === true) return DbctlError.from(options.signal.reason);
  const { address } = channel;
  if ("code" in error && "metadata" in error)
    return errorFromStatus(error, { call: method.name, address });
  return new DbctlError("protocol-violated", `Cannot call ${method.name}: ${error.message}`, {
    remedy: "Check that both sides are dbctl, and of versions that belong together",
    cause: error,
  });
}

const limitsOf = ({ options: { deadlineMs } }: Call) =>
  deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };

function codecOf(method: DescMethod) {
  return {
    path: pathOf(method),
    write: (message: Message) => Buffer.from(toBinary(method.input, message)),
    read: (bytes: Buffer) => fromBinary(method.output, bytes),
  };
}
