import type { DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";

type Input<M extends DescMethod> = MessageShape<M["input"]>;
type InputInit<M extends DescMethod> = MessageInitShape<M["input"]>;
type Output<M extends DescMethod> = MessageShape<M["output"]>;
type OutputInit<M extends DescMethod> = MessageInitShape<M["output"]>;

type MethodOf<S extends DescService, K extends keyof S["method"]> = S["method"][K];

/** What the server side of a service is: one function per rpc. */
export type Implementation<S extends DescService, Context> = {
  [K in keyof S["method"]]: Handler<MethodOf<S, K>, Context>;
};

type Handler<M extends DescMethod, Context> = M extends { methodKind: "unary" }
  ? (request: Input<M>, context: Context) => Promise<OutputInit<M>>
  : M extends { methodKind: "server_streaming" }
    ? (request: Input<M>, context: Context) => AsyncIterable<OutputInit<M>>
    : M extends { methodKind: "bidi_streaming" }
      ? (requests: AsyncIterable<Input<M>>, context: Context) => AsyncIterable<OutputInit<M>>
      : never;

/** What the client side of a service is. Streams begin when they are iterated. */
export type Client<S extends DescService, Options> = {
  [K in keyof S["method"]]: Caller<MethodOf<S, K>, Options>;
};

type Caller<M extends DescMethod, Options> = M extends { methodKind: "unary" }
  ? (request: InputInit<M>, options?: Options) => Promise<Output<M>>
  : M extends { methodKind: "server_streaming" }
    ? (request: InputInit<M>, options?: Options) => AsyncIterable<Output<M>>
    : M extends { methodKind: "bidi_streaming" }
      ? (requests: AsyncIterable<InputInit<M>>, options?: Options) => AsyncIterable<Output<M>>
      : never;

/** The path of a method: `/dbctl.v1.JobsService/GetJob`. */
export const pathOf = (method: DescMethod) => `/${method.parent.typeName}/${method.name}`;
