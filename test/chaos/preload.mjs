/**
 * Loaded before `streamgauge run` (node --import): tells its parent which partitions this process has fenced, and does
 * what the parent asks for: die or stop at a point of the exactly-once recipe, or be slow on the network. It wraps the one
 * private kafkajs of the process, so the program itself knows nothing of it.
 *
 * $CHAOS_PLANT plants a fault that a run has to find: see `fleet.ts`.
 *
 * Messages to the parent: { claimed: "<transactional id>" }, { heap: <bytes>, stallMs }. From it: { at: <point>, signal }, { slowMs, forMs },
 * or { heap: true }.
 */
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const dist = dirname(dirname(process.argv[1]));
const { kafkaLibrary, loadKafkaLibrary } = await import(pathToFileURL(join(dist, "consumers/kafka-library.js")).href);

const delay = monitorEventLoopDelay();
delay.enable();
let armed;
let slowUntilMs = 0;
let slowMs = 0;

process.on("message", (message) => {
  if (message.at !== undefined) armed = message;
  if (message.heap === true) {
    const stallMs = delay.max / 1e6;
    setFlagsFromString("--expose-gc");
    runInNewContext("gc")();
    process.send?.({ heap: process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers, stallMs });
    delay.reset();
  }
  if (message.slowMs !== undefined) {
    slowMs = message.slowMs;
    slowUntilMs = performance.now() + message.forMs;
  }
});
process.channel?.unref();
// However the parent ends.
process.on("disconnect", () => process.exit(1));

/** @param {string} point */
function pass(point) {
  if (armed?.at !== point) return;
  const { signal } = armed;
  armed = undefined;
  process.kill(process.pid, signal);
}

/** @returns `act` with something done after it. */
function after(act, then) {
  return async (...args) => {
    const result = await act(...args);
    then();
    return result;
  };
}

/** In order, each write as late as the network is slow. */
function slowSocket({ host, port, onConnect }) {
  const socket = connect({ host, port }, onConnect);
  const write = socket.write.bind(socket);
  let queue = Promise.resolve();
  let waiting = 0;
  socket.write = (...args) => {
    if (waiting === 0 && performance.now() >= slowUntilMs) return write(...args);
    waiting += 1;
    queue = queue.then(async () => {
      await new Promise((resolve) => setTimeout(resolve, slowMs));
      waiting -= 1;
      if (!socket.destroyed) write(...args);
    });
    return true;
  };
  return socket;
}

const plant = process.env.CHAOS_PLANT;
const library = kafkaLibrary();
if (plant === "stock-filter") Object.assign(library, loadKafkaLibrary());
library.Kafka = class extends library.Kafka {
  constructor(config) {
    super({ ...config, socketFactory: slowSocket });
  }

  producer(options) {
    const { transactionalId: id } = options;
    if (id === undefined) return super.producer(options);
    const transactionalId = plant === "unfenced" ? `${id}.${process.pid}` : id;
    return transactional(super.producer({ ...options, transactionalId }), id);
  }

  admin(options) {
    const admin = super.admin(options);
    return { ...admin, fetchOffsets: after(admin.fetchOffsets, () => pass("offset read")) };
  }
};

function transactional(producer, id) {
  let isFenced = false;
  return {
    ...producer,
    async transaction() {
      const transaction = await producer.transaction();
      if (!isFenced) {
        isFenced = true;
        process.send?.({ claimed: id });
        pass("fence");
      }
      const commit = after(transaction.commit, () => pass("commit"));
      return {
        ...transaction,
        sendBatch: after(transaction.sendBatch, () => pass("send")),
        sendOffsets: after(transaction.sendOffsets, () => pass("offsets sent")),
        // Asked for, and its answer not awaited.
        async commit() {
          const committed = commit();
          // Refused within the millisecond it would count as nobody's, and end the process.
          committed.catch(() => {});
          await new Promise((resolve) => setTimeout(resolve, 1));
          pass("commit sent");
          return committed;
        },
      };
    },
  };
}
