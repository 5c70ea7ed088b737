/** Does what the schedule says, to real processes. */
import { setTimeout as sleep } from "node:timers/promises";
import { Kafka, logLevel } from "kafkajs";
import { type Deployment, INPUT, PROFILER_GROUP } from "./deployment.ts";
import type { Fleet } from "./fleet.ts";
import type { Load } from "./load.ts";
import { type Act, describeDeed } from "./schedule.ts";

const STORM_STEP_MS = 2000;

interface FaultsOptions extends Deployment {
  readonly fleet: Fleet;
  readonly load: Load;
  readonly partitions: number;
  readonly say: (line: string) => void;
}

export class Faults {
  readonly #options: FaultsOptions;
  #partitions: number;
  /** One broker is away at a time, and so is the registry. */
  #broker: Promise<void> = Promise.resolve();
  #isBrokerAway = false;
  #registry: Promise<void> = Promise.resolve();
  readonly #underWay: Promise<void>[] = [];
  /** Acts that could not be done, or undone. */
  readonly failures: string[] = [];
  /** Wall times, epoch milliseconds. */
  readonly brokerKillsAtMs: number[] = [];
  readonly brokerFreezesAtMs: number[] = [];

  constructor(options: FaultsOptions) {
    this.#options = options;
    this.#partitions = options.partitions;
  }

  /**
   * Each at its time; settles when the last has been undone. One act may fall into the time that a broker is away; then time
   * stands still until it is back, because what is killed while nothing works proves nothing.
   */
  async run(acts: readonly Act[], startedMs: number): Promise<void> {
    let heldMs = 0;
    let actsWhileAway = 0;
    for (const act of acts) {
      await sleep(Math.max(0, startedMs + heldMs + act.atMs - performance.now()));
      actsWhileAway = this.#isBrokerAway ? actsWhileAway + 1 : 0;
      if (actsWhileAway > 1) {
        const atMs = performance.now();
        await this.#broker;
        heldMs += performance.now() - atMs;
        actsWhileAway = 0;
      }
      this.#underWay.push(
        this.#perform(act).catch((error: unknown) => {
          this.failures.push(`${describeDeed(act.deed)}: ${String(error)}`);
        }),
      );
    }
    await Promise.all(this.#underWay);
  }

  #perform({ deed, victim }: Act): Promise<void> {
    const { cluster, fleet, say } = this.#options;
    const tell = (who: string) => say(`${describeDeed(deed)}: ${who}`);
    switch (deed.kind) {
      case "kill":
        tell(fleet.nameOf(victim));
        fleet.kill(victim);
        return Promise.resolve();
      case "die":
        tell(fleet.nameOf(victim));
        fleet.dieAt(victim, deed.at);
        return Promise.resolve();
      case "stop":
        tell(fleet.nameOf(victim));
        fleet.stop(victim);
        return Promise.resolve();
      case "freeze":
        tell(fleet.nameOf(victim));
        return fleet.freeze(victim, deed.forMs, deed.at);
      case "slow network":
        tell(fleet.nameOf(victim));
        fleet.slowDown(victim, deed.byMs, deed.forMs);
        return Promise.resolve();
      case "storm":
        tell(PROFILER_GROUP);
        return this.#storm(deed.times);
      case "kill broker": {
        const index = victim % cluster.brokers.length;
        this.#broker = this.#broker.then(async () => {
          tell(`broker ${index + 1}`);
          this.brokerKillsAtMs.push(Date.now());
          this.#isBrokerAway = true;
          await cluster.brokers[index]!.kill9();
          await sleep(deed.forMs);
          await cluster.brokers[index]!.restart();
          this.#isBrokerAway = false;
          say(`broker ${index + 1} is back`);
        });
        return this.#broker;
      }
      case "freeze broker": {
        const broker = cluster.brokers[victim % cluster.brokers.length]!;
        this.#broker = this.#broker.then(async () => {
          tell(`broker ${(victim % cluster.brokers.length) + 1}`);
          this.brokerFreezesAtMs.push(Date.now());
          broker.signal("SIGSTOP");
          await sleep(deed.forMs);
          broker.signal("SIGCONT");
        });
        return this.#broker;
      }
      case "kill registry":
        this.#registry = this.#registry.then(async () => {
          tell("registry");
          await cluster.registry.kill9();
          await sleep(deed.forMs);
          await cluster.registry.restart();
          say("registry is back");
        });
        return this.#registry;
      case "freeze registry":
        this.#registry = this.#registry.then(async () => {
          tell("registry");
          cluster.registry.signal("SIGSTOP");
          await sleep(deed.forMs);
          cluster.registry.signal("SIGCONT");
        });
        return this.#registry;
      case "add partition":
        tell(INPUT);
        return this.#addPartition();
      default:
        return deed satisfies never;
    }
  }

  async #storm(times: number): Promise<void> {
    for (let turn = 0; turn < times; turn++) {
      const leave = await joinForAWhile(this.#options.cluster.addresses());
      await sleep(STORM_STEP_MS);
      await leave();
      await sleep(STORM_STEP_MS);
    }
  }

  async #addPartition(): Promise<void> {
    const { cluster, load } = this.#options;
    this.#partitions += 1;
    const wanted = this.#partitions;
    const topicPartitions = [{ topic: INPUT, count: wanted }];
    for (;;) {
      try {
        await cluster.asAdmin(async (admin) => {
          const { topics } = await admin.fetchTopicMetadata({ topics: [INPUT] });
          if ((topics[0]?.partitions.length ?? 0) < wanted) await admin.createPartitions({ topicPartitions });
        });
        break;
      } catch {
        // A broker is away.
        await sleep(500);
      }
    }
    await load.spread(wanted);
  }
}

/** A member that takes what it is given, and commits nothing. Where a broker is away it does not come. */
async function joinForAWhile(brokers: string[]): Promise<() => Promise<void>> {
  const kafka = new Kafka({ brokers, clientId: "chaos-storm", logLevel: logLevel.NOTHING });
  const retry = { retries: 1, restartOnFailure: async () => false };
  const consumer = kafka.consumer({ groupId: PROFILER_GROUP, sessionTimeout: 6000, retry });
  const disconnect = () => consumer.disconnect().catch(() => undefined);
  let isOver = false;
  // While it joins it cannot be stopped, and would stay.
  consumer.on(consumer.events.GROUP_JOIN, () => {
    if (isOver) setImmediate(disconnect);
  });
  await consumer
    .connect()
    .then(() => consumer.subscribe({ topics: [INPUT], fromBeginning: true }))
    .then(() => consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: async () => {} }))
    .catch(() => undefined);
  return async () => {
    isOver = true;
    await disconnect();
  };
}
