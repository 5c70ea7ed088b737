/** kafkajs with sockets that lose a chosen request or its answer, or are slow, as a network is. */
import { connect, type Socket } from "node:net";
import { type KafkaLibrary, kafkaLibrary } from "../../src/consumers/kafka-library.ts";

/** API keys of Kafka's protocol. */
export const API = { produce: 0, heartbeat: 12, addOffsetsToTxn: 25, endTxn: 26, txnOffsetCommit: 28 } as const;

export class FaultySockets {
  readonly library: KafkaLibrary;
  #cut: { apiKey: number; side: "request" | "answer"; port: number | undefined } | undefined;
  #delay: { apiKey: number; port: number; delayMs: number } | undefined;

  /** @default ours */
  constructor(stock: KafkaLibrary = kafkaLibrary()) {
    const socketFactory = ({ host, port, onConnect }: { host: string; port: number; onConnect: () => void }) =>
      this.#guard(connect({ host, port }, onConnect), port);
    const Kafka = class extends stock.Kafka {
      constructor(config: ConstructorParameters<KafkaLibrary["Kafka"]>[0]) {
        super({ ...config, socketFactory });
      }
    };
    this.library = { ...stock, Kafka };
  }

  /** The next such request (to the port) does not arrive, or its answer does not; either way the connection is gone. */
  cutNext(apiKey: number, side: "request" | "answer", port?: number): void {
    this.#cut = { apiKey, side, port };
  }

  /** From now on such requests to the port leave so much later. */
  delay(apiKey: number, port: number, delayMs: number): void {
    this.#delay = { apiKey, port, delayMs };
  }

  get armed(): boolean {
    return this.#cut !== undefined;
  }

  #guard(socket: Socket, port: number): Socket {
    const write = socket.write.bind(socket);
    // kafkajs writes one request at a time: length int32, then the API key.
    socket.write = ((bytes: Buffer, ...rest: []) => {
      if (this.#delay?.port === port && bytes.readInt16BE(4) === this.#delay.apiKey) {
        setTimeout(() => !socket.destroyed && write(bytes, ...rest), this.#delay.delayMs);
        return true;
      }
      if (this.#cut === undefined || bytes.readInt16BE(4) !== this.#cut.apiKey) return write(bytes, ...rest);
      if ((this.#cut.port ?? port) !== port) return write(bytes, ...rest);
      const { side } = this.#cut;
      this.#cut = undefined;
      if (side === "request") {
        socket.destroy(new Error("the network lost the request"));
        return false;
      }
      socket.removeAllListeners("data");
      socket.once("data", () => socket.destroy(new Error("the network lost the answer")));
      return write(bytes, ...rest);
    }) as typeof socket.write;
    return socket;
  }
}
