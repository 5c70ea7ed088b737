/**
 * One seed, one run: the two stages in some processes on the memory log, under faults drawn from the seed, in virtual
 * time; at the end the oracle (`verify.ts`) recomputes everything from the input log.
 */
import { createHash } from "node:crypto";
import { LateRequest } from "../../src/consumers/memory-claim.ts";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import type { OutputRecord } from "../../src/core/log.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { topicNames } from "../../src/core/topics.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { InProcessRegistry } from "../../src/schemas/registry.ts";
import { EVENT_SCHEMA, EventSource } from "./events.ts";
import { PLANTS } from "./planted.ts";
import { SimProcess, type World } from "./process.ts";
import { describeScenario, drawScenario, FAULTS, type Fault, INPUT, QUARANTINE, START_MS } from "./scenario.ts";
import { verify } from "./verify.ts";
import { VirtualClock } from "./virtual-clock.ts";

const TOPICS = topicNames("sg.");
const OUTPUTS = [TOPICS.metrics, TOPICS.verdicts, TOPICS.windows, TOPICS.alerts, QUARANTINE];
/** Faults are over; after so long everything must have been told. */
const PATIENCE_MS = 15 * 60_000;
/** A client waits for an answer for so long. */
const REQUEST_TIMEOUT_MS = 8000;
/** Clocks of a run that go on for ever would fire no end of timers. */
const MAX_STEPS = 200_000;

export interface RunOptions {
  /** Name of one of `PLANTS`. */
  readonly plant?: string;
  readonly onTrace?: (line: string) => void;
}

export interface Run {
  readonly seed: number;
  /** Empty: everything holds. */
  readonly violations: readonly string[];
  readonly scenario: string;
  readonly faults: Readonly<Record<Fault, number>>;
  readonly events: number;
  readonly windows: number;
  readonly revisions: number;
  readonly late: number;
  readonly simulatedMs: number;
  /** Of everything that was written: equal runs have equal ones. */
  readonly digest: string;
}

export async function simulate(seed: number, options: RunOptions = {}): Promise<Run> {
  return new Simulation(seed, options).run();
}

class Simulation {
  readonly #seed: number;
  readonly #scenario;
  readonly #clock = new VirtualClock(START_MS);
  readonly #chance: SeededRandom;
  readonly #log: MemoryLog;
  readonly #source: EventSource;
  readonly #world: World;
  readonly #violations: string[] = [];
  readonly #faults = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>;
  readonly #processes: SimProcess[] = [];
  readonly #options: RunOptions;
  #partitions: number;
  #faulty = true;
  #awayUntilMs = 0;
  #openTransactions = 0;
  #dueMarkers = 0;

  constructor(seed: number, options: RunOptions) {
    this.#seed = seed;
    this.#options = options;
    const random = new SeededRandom(Math.imul(seed, 0x9e3779b1));
    this.#scenario = drawScenario(seed, random);
    this.#chance = new SeededRandom(random.nextUint32());
    this.#partitions = this.#scenario.partitions;
    const registry = new InProcessRegistry();
    this.#source = new EventSource(
      this.#scenario,
      new SeededRandom(random.nextUint32()),
      registry.register(EVENT_SCHEMA),
    );
    this.#log = new MemoryLog({ clock: this.#clock, onMarker: (write) => this.#marker(write) });
    this.#world = {
      scenario: this.#scenario,
      clock: this.#clock,
      log: this.#log,
      registry,
      topics: TOPICS,
      plant: options.plant === undefined ? undefined : PLANTS[options.plant]!(TOPICS),
      onRequest: (process, request) => this.#request(process, request),
      trace: (line) => this.#trace(line),
      violate: (what) => this.#violate(what),
    };
  }

  async run(): Promise<Run> {
    const { durationMs, processes } = this.#scenario;
    await this.#log.createTopics([
      { name: INPUT, partitions: this.#partitions },
      { name: TOPICS.profiles, partitions: 1 },
      { name: TOPICS.state, partitions: 1, compacted: true },
      ...OUTPUTS.map((name) => ({ name, partitions: 1 })),
    ]);
    for (let i = 0; i < processes; i++) this.#clock.after(this.#chance.below(4000), () => this.#start());
    this.#arrivals();
    this.#disasters();
    this.#clock.after(durationMs, () => this.#calm());
    const isDone = await this.#goOn(durationMs + PATIENCE_MS, () => this.#isTold());
    if (!isDone && this.#violations.length === 0) this.#violate("G4 the run does not end");
    for (const process of this.#processes) process.stop();
    await this.#goOn(60_000, () => this.#dueMarkers === 0 && !this.#hasOpen());
    const figures = verify({
      scenario: this.#scenario,
      log: this.#log,
      truths: this.#source.truths,
      partitions: this.#partitions,
      topics: TOPICS,
      violate: (what) => this.#violate(what),
    });
    return {
      seed: this.#seed,
      violations: this.#violations,
      scenario: describeScenario(this.#scenario),
      faults: this.#faults,
      simulatedMs: this.#clock.nowMs() - START_MS,
      digest: this.#digest(),
      ...figures,
    };
  }

  /** Steps through time until `isDone`, or the time is over. */
  async #goOn(forMs: number, isDone: () => boolean): Promise<boolean> {
    const endMs = this.#clock.nowMs() + forMs;
    for (let step = 0; step < MAX_STEPS && this.#clock.nowMs() < endMs; step++) {
      if (this.#violations.length > 0) return false;
      if (isDone()) return true;
      if (!(await this.#clock.step())) break;
    }
    return isDone();
  }

  #start(): SimProcess {
    const process = new SimProcess(`p${this.#processes.length + 1}`, this.#world);
    this.#processes.push(process);
    this.#trace(`${process.name} starts`);
    process.start().catch((error: unknown) => this.#violate(`G4 ${process.name} does not start: ${String(error)}`));
    return process;
  }

  /** Events come one to three at a time; some partitions have their quiet times. */
  #arrivals(): void {
    const { arrivalMs, durationMs, idlePartitions, faults } = this.#scenario;
    const arrive = () => {
      if (!this.#faulty) return;
      const nowMs = this.#clock.nowMs();
      const quiet = nowMs - START_MS > durationMs / 3 ? idlePartitions : 0;
      const records: OutputRecord[] = [];
      for (let count = 1 + this.#chance.below(3); count > 0; count--) {
        const partition = this.#chance.below(this.#partitions);
        if (partition >= quiet) records.push(this.#source.next(nowMs, partition));
      }
      if (faults.userTransactions > 0 && this.#chance.below(4) === 0) this.#userTransaction(records);
      else void this.#log.append(records);
      this.#clock.after(1 + this.#chance.below(2 * arrivalMs), arrive);
    };
    this.#clock.after(0, arrive);
  }

  /** Somebody else's transaction in the input: it holds readers back, and may be aborted. */
  #userTransaction(records: readonly OutputRecord[]): void {
    this.#count("userTransactions", "");
    const transaction = this.#log.fence(`user-${this.#faults.userTransactions}`).begin();
    transaction.send(records);
    this.#openTransactions++;
    const isAborted = this.#chance.below(2) === 0;
    this.#clock.after(this.#chance.below(5) === 0 ? this.#chance.below(40_000) : this.#chance.below(2000), () => {
      if (isAborted) transaction.abort();
      else transaction.commit();
      this.#openTransactions--;
    });
  }

  /** What happens by itself, about every two minutes each. */
  #disasters(): void {
    const every = (fault: Fault, act: () => void) => {
      const often = this.#scenario.faults[fault];
      if (often === 0) return;
      const strike = () => {
        if (!this.#faulty) return;
        act();
        this.#clock.after(1 + this.#chance.below(240_000 / often), strike);
      };
      this.#clock.after(this.#chance.below(240_000 / often), strike);
    };
    every("brokerAway", () => {
      const forMs = 500 + this.#chance.below(12_000);
      this.#count("brokerAway", `${forMs} ms`);
      this.#awayUntilMs = this.#clock.nowMs() + forMs;
    });
    every("leaderChange", () => this.#changeLeader());
    every("storm", () => {
      this.#count("storm", "");
      for (let joins = 1 + this.#chance.below(2); joins > 0; joins--) {
        this.#clock.after(this.#chance.below(3000), () => {
          const guest = this.#start();
          this.#clock.after(500 + this.#chance.below(10_000), () => guest.stop());
        });
      }
    });
    every("addPartition", () => {
      if (this.#partitions >= 8) return;
      this.#partitions++;
      this.#count("addPartition", `${this.#partitions} now`);
      this.#log.addPartitions(INPUT, this.#partitions);
    });
    every("compaction", () => this.#compact());
  }

  /** One partition that is read from has no leader for a while. */
  #changeLeader(): void {
    const partition = this.#chance.below(this.#partitions + 1) - 1;
    const [topic, index] = partition < 0 ? [TOPICS.profiles, 0] : [INPUT, partition];
    const forMs = 200 + this.#chance.below(this.#chance.below(5) === 0 ? 30_000 : 4000);
    this.#count("leaderChange", `${topic}/${index} for ${forMs} ms`);
    this.#log.setLeader(topic, index, false);
    this.#clock.after(forMs, () => this.#log.setLeader(topic, index, true));
  }

  #compact(): void {
    this.#count("compaction", "");
    this.#log.compact(TOPICS.state);
  }

  /** Any request of any process, at the moment before it is made. */
  async #request(process: SimProcess, request: string): Promise<void> {
    const { faults } = this.#scenario;
    const moment = request.slice(request.indexOf(" ") + 1);
    const isCommit = moment === "send" || moment === "commit" || moment === "reply";
    if (this.#faulty) {
      const strikes = (fault: Fault, chance: number) =>
        faults[fault] > 0 && this.#chance.next() < chance * faults[fault];
      if (strikes("compaction", 0.02)) this.#compact();
      if (strikes("die", 0.02)) {
        this.#count("die", `${process.name} before ${request}`);
        process.kill();
        this.#clock.after(1 + this.#chance.below(15_000), () => this.#start());
        return;
      }
      if (strikes("freeze", 0.015)) {
        this.#count("freeze", `${process.name} before ${request}`);
        process.freeze(500 + this.#chance.below(25_000));
        await process.alive();
      }
      if (strikes("delay", 0.15)) {
        this.#count("delay", "");
        await this.#clock.sleep(this.#chance.below(this.#chance.below(20) === 0 ? 7000 : 300));
      }
      if ((moment === "send" || moment === "commit") && strikes("lostRequest", 0.04)) {
        this.#count("lostRequest", `${process.name} ${request}`);
        throw new Error(`lost: ${request}`);
      }
      if (moment === "reply" && strikes("lostAnswer", 0.06)) {
        this.#count("lostAnswer", `${process.name} ${request}`);
        throw new Error(`lost: ${request}`);
      }
      if (moment === "commit" && strikes("lateCommit", 0.06)) {
        this.#count("lateCommit", `${process.name} ${request}`);
        throw new LateRequest(this.#clock.sleep(this.#chance.below(this.#chance.below(3) === 0 ? 10_000 : 50)));
      }
    }
    const awayMs = this.#awayUntilMs - this.#clock.nowMs();
    if (awayMs <= 0) return;
    if (isCommit && awayMs > REQUEST_TIMEOUT_MS) {
      await this.#clock.sleep(REQUEST_TIMEOUT_MS);
      throw new Error(`timed out: ${request}`);
    }
    await this.#clock.sleep(awayMs);
  }

  #marker(write: () => void): void {
    const often = this.#faulty ? this.#scenario.faults.slowMarkers : 0;
    this.#dueMarkers++;
    let delayMs = 1;
    if (often > 0 && this.#chance.next() < 0.2 * often) {
      this.#count("slowMarkers", "");
      delayMs = this.#chance.below(this.#chance.below(10) === 0 ? 8000 : 400);
    }
    this.#clock.after(delayMs, () => {
      this.#dueMarkers--;
      write();
    });
  }

  /** Faults are over: who is alive goes on, the input ends. */
  #calm(): void {
    this.#faulty = false;
    this.#trace("the faults are over");
    if (!this.#processes.some((process) => !process.isDead && !process.isStopping)) this.#start();
    const seal = () => {
      if (this.#openTransactions > 0) this.#clock.after(1000, seal);
      else this.#log.seal(INPUT);
    };
    seal();
  }

  /** The judge has committed past an entry of each partition that says that it has ended. */
  #isTold(): boolean {
    if (this.#faulty) return false;
    const position = this.#log.position("sim.judge", TOPICS.profiles, 0) ?? 0;
    if (position === this.#toldPosition) return false;
    const records = this.#log.records(TOPICS.profiles, 0);
    for (const record of records.slice(this.#toldIndex)) {
      if (record.offset >= position) break;
      this.#toldIndex++;
      const delta = decodeDelta(record.value!);
      if (delta.kind === "ledger" && delta.entry.ended) this.#ended.add(delta.entry.partition);
    }
    this.#toldPosition = position;
    return this.#ended.size === this.#partitions;
  }
  #toldPosition = -1;
  #toldIndex = 0;
  readonly #ended = new Set<number>();

  #hasOpen(): boolean {
    return OUTPUTS.some((topic) => {
      const { stable, end } = this.#log.offsets(topic, 0);
      return stable < end;
    });
  }

  #digest(): string {
    const hash = createHash("sha256");
    for (const topic of [TOPICS.profiles, TOPICS.state, ...OUTPUTS]) {
      for (const { offset, key, value } of this.#log.records(topic, 0)) {
        hash.update(`${topic} ${offset} ${key === null ? "" : Buffer.from(key).toString("latin1")} `);
        if (value !== null) hash.update(value);
      }
    }
    return hash.digest("hex");
  }

  #count(fault: Fault, detail: string): void {
    this.#faults[fault]++;
    this.#trace(`${fault} ${detail}`);
  }

  #violate(what: string): void {
    this.#trace(`VIOLATION ${what}`);
    if (this.#violations.length < 20) this.#violations.push(what);
  }

  #trace(line: string): void {
    this.#options.onTrace?.(`${((this.#clock.nowMs() - START_MS) / 1000).toFixed(3).padStart(9)} ${line}`);
  }
}

/** What a person needs who reads of a failed seed: what broke, in which scenario, and how to see it again. */
export function failureOf(run: Run, plant?: string): string {
  const again = `npm run simulate -- --seed ${run.seed}${plant === undefined ? "" : ` --plant ${plant}`} --trace`;
  return [`seed ${run.seed} fails`, ...run.violations, run.scenario, `again: ${again}`].join("\n");
}
