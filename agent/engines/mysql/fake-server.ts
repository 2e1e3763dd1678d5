/** For tests: servers that say what they should not, or nothing at all. */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type Packet, PacketReader } from "./packet-reader.ts";
import { type MysqlTarget, parseMysqlTarget } from "./target.ts";

export interface FakeServer extends AsyncDisposable {
  target: MysqlTarget;
}

export interface Talk {
  /** The client's next packet. */
  receive(): Promise<Packet>;
  send(sequence: number, payload: Uint8Array): void;
  sendRaw(bytes: Uint8Array): void;
}

/** Starts a server that holds the talk with every client. */
export async function startFakeServer(talk: (talk: Talk) => Promise<void>): Promise<FakeServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    void talk(talkOver(socket)).catch(() => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    target: parseMysqlTarget(`mariadb://me@127.0.0.1:${port}/shop`),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A greeting of a MariaDB server, with a seed of 20 letters "s". */
export function greeting(
  plugin = "mysql_native_password",
  version = "5.5.5-10.11.6-MariaDB",
): Buffer {
  const fixed = Buffer.alloc(1 + 4);
  const head = Buffer.concat([Buffer.from([10]), Buffer.from(`${version}\0`), fixed.subarray(1)]);
  const flags = Buffer.from("fef72d0200ff81", "hex");
  const middle = Buffer.concat([
    Buffer.from("ssssssss\0"),
    flags,
    Buffer.from([21]),
    Buffer.alloc(10),
  ]);
  return Buffer.concat([head, middle, Buffer.from("ssssssssssss\0"), Buffer.from(`${plugin}\0`)]);
}

export const ok = Buffer.from("00000002000000", "hex");

function talkOver(socket: Socket): Talk {
  const reader = new PacketReader();
  let arrived = Promise.withResolvers<void>();
  socket.on("data", (bytes) => {
    reader.push(Buffer.from(bytes));
    arrived.resolve();
    arrived = Promise.withResolvers();
  });
  return {
    receive: async () => {
      for (let packet = reader.next(); ; packet = reader.next()) {
        if (packet !== undefined) return packet;
        await arrived.promise;
      }
    },
    send: (sequence, payload) => {
      const header = Buffer.alloc(4);
      header.writeUIntLE(payload.length, 0, 3);
      header.writeUInt8(sequence, 3);
      socket.write(Buffer.concat([header, payload]));
    },
    sendRaw: (bytes) => void socket.write(bytes),
  };
}
