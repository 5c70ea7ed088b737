/**
 * The processes of `streamgauge run`, and who supervises them: one that is gone is started anew, as a service manager
 * does. Knows which process holds which partition, from what `preload.mjs` tells.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EXIT_CODES } from "../../src/core/errors.ts";
import type { Cluster, Streamgauge } from "../kafka/deployment-kit.ts";
import { ROOT } from "../kafka/repository.ts";

/** What the image sets for the memory of a process. */
const IMAGE_ENVIRONMENT = Object.fromEntries(
  [...readFileSync(join(ROOT, "Dockerfile"), "utf8").matchAll(/(MALLOC_\w+|NODE_OPTIONS)=(\S+)/g)].map(
    ([, name, value]) => [name!, value!],
  ),
);
const PRELOAD = join(ROOT, "test/chaos/preload.mjs");
const RESTART_AFTER_MS = 500;
/** What gave up by itself would do so again at once. */
const RESTART_LATER_MS = 4_000;

/**
 * Faults of streamgauge that a run has to find: transactional ids of the process instead of the partition, so that nobody
 * is fenced; and the filter of aborted transactions that kafkajs comes with.
 */
export const PLANTS = ["unfenced", "stock-filter"] as const;
export type Plant = (typeof PLANTS)[number];

export interface Death {
  /** Wall time, epoch milliseconds. */
  readonly atMs: number;
  /** Input partitions that it held. */
  readonly partitions: readonly number[];
  /** It was the judge. */
  readonly judged: boolean;
}

interface Member {
  readonly name: string;
  readonly process: Streamgauge;
  isFrozen: boolean;
  /** Its end is what was asked for, and may have come. */
  mayEnd: boolean;
}

interface FleetOptions {
  readonly cluster: Cluster;
  readonly config: string;
  readonly deployment: string;
  readonly topic: string;
  readonly plant?: Plant | undefined;
  /** Folder for what each process logged. @default none */
  readonly logs?: string | undefined;
  readonly say: (line: string) => void;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #members: Member[] = [];
  /** Who has fenced it last. */
  readonly #holders = new Map<number, Member>();
  #judge: Member | undefined;
  #started = 0;
  #isOver = false;
  readonly deaths: Death[] = [];
  /** Processes that ended by themselves: with which code and which last words. */
  readonly surrenders: { readonly atMs: number; readonly code: number | null; readonly words: string }[] = [];

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  async start(count: number): Promise<void> {
    for (let index = 0; index < count; index++) this.#members.push(this.#spawn(index));
    await Promise.all(this.#members.map(({ process }) => process.logged("running")));
  }

  /** Of `victim`, a number of any size. */
  nameOf(victim: number): string {
    return this.#at(victim).name;
  }

  kill(victim: number): void {
    killed(this.#at(victim));
  }

  /** Who claimed the judge's partition last. */
  killJudge(): void {
    if (this.#judge === undefined) throw new Error("Cannot kill the judge: nobody has claimed its partition");
    killed(this.#judge);
  }

  /** A frozen process is left as it is; one that has only just begun may end at once, as `interrupted`. */
  stop(victim: number): void {
    const member = this.#at(victim);
    if (member.isFrozen) return;
    member.mayEnd = true;
    member.process.signal("SIGTERM");
  }

  dieAt(victim: number, point: string): void {
    const member = this.#at(victim);
    member.mayEnd = true;
    member.process.send({ at: point, signal: "SIGKILL" });
  }

  async freeze(victim: number, forMs: number, point?: string): Promise<void> {
    const member = this.#at(victim);
    if (member.isFrozen) return;
    member.isFrozen = true;
    if (point === undefined) member.process.signal("SIGSTOP");
    else member.process.send({ at: point, signal: "SIGSTOP" });
    await sleep(forMs);
    member.process.signal("SIGCONT");
    member.isFrozen = false;
  }

  slowDown(victim: number, slowMs: number, forMs: number): void {
    this.#at(victim).process.send({ slowMs, forMs });
  }

  /** Of those who answer: bytes of the heap after a collection, and the longest wait of the event loop since the last call. */
  async looks(): Promise<
    { readonly name: string; readonly pid: number; readonly heap: number; readonly stallMs: number }[]
  > {
    const asked = this.#members.filter(({ mayEnd, isFrozen }) => !mayEnd && !isFrozen);
    const answers = asked.map(({ name, process }) =>
      Promise.race([process.ask({ heap: true }), process.ended().then(() => undefined)]).then((answer) => {
        const told = answer as { readonly heap: number; readonly stallMs: number } | undefined;
        const { pid } = process;
        return told === undefined || pid === undefined ? [] : [{ name, pid, heap: told.heap, stallMs: told.stallMs }];
      }),
    );
    return (await Promise.all(answers)).flat();
  }

  /** SIGTERM to all; what is told of one whose exit code is not 0. */
  async end(): Promise<string[]> {
    this.#isOver = true;
    const ends = this.#members.map(async ({ name, process }) => {
      process.signal("SIGCONT");
      const code = await process.kill("SIGTERM");
      return code === 0 ? [] : [`${name} ended with ${code} after SIGTERM: ${lastWords(process)}`];
    });
    return (await Promise.all(ends)).flat();
  }

  /** Who is dead already, or about to be, is no victim as long as there are others. */
  #at(victim: number): Member {
    const living = this.#members.filter(({ mayEnd }) => !mayEnd);
    const members = living.length > 0 ? living : this.#members;
    return members[victim % members.length]!;
  }

  #spawn(index: number): Member {
    const { cluster, config, plant } = this.#options;
    this.#started += 1;
    const env = { ...IMAGE_ENVIRONMENT, ...(plant === undefined ? {} : { CHAOS_PLANT: plant }) };
    const process = cluster.streamgaugeWith({ module: PRELOAD, env }, "run", "-c", config);
    const member: Member = { name: `process ${this.#started}`, process, isFrozen: false, mayEnd: false };
    process.onMessage((message) => {
      const { claimed } = message as { readonly claimed?: string };
      if (claimed !== undefined) this.#claimed(member, claimed);
    });
    void process.ended().then((code) => {
      this.#keepLog(member);
      return this.#replace(index, member, code);
    });
    return member;
  }

  #claimed(member: Member, id: string): void {
    const { deployment, topic } = this.#options;
    const prefix = `${deployment}.${topic}.`;
    if (id.startsWith(`${deployment}.sg.profiles.`)) this.#judge = member;
    if (id.startsWith(prefix)) this.#holders.set(Number(id.slice(prefix.length)), member);
  }

  /** Whoever failed on the way has stopped the cluster without ending us. */
  #ended(): boolean {
    return this.#isOver || this.#options.cluster.isStopped;
  }

  #keepLog({ name, process }: Member): void {
    const { logs } = this.#options;
    if (logs === undefined) return;
    mkdirSync(logs, { recursive: true });
    writeFileSync(join(logs, `${name.replace(" ", "-")}.log`), process.stderr);
  }

  async #replace(index: number, member: Member, code: number | null): Promise<void> {
    const atMs = Date.now();
    const mayEnd = member.mayEnd;
    member.mayEnd = true;
    if (this.#ended()) return;
    let restartAfterMs = RESTART_AFTER_MS;
    if (code === null && mayEnd) {
      const partitions = [...this.#holders].flatMap(([partition, holder]) => (holder === member ? [partition] : []));
      this.deaths.push({ atMs, partitions, judged: this.#judge === member });
      this.#options.say(`${member.name} is dead, held ${partitions.length} partitions`);
    } else if (!(mayEnd && (code === 0 || code === EXIT_CODES.interrupted))) {
      restartAfterMs = RESTART_LATER_MS;
      const words = lastWords(member.process);
      this.surrenders.push({ atMs, code, words });
      this.#options.say(`${member.name} ended by itself with ${code}: ${words}`);
    }
    await sleep(restartAfterMs);
    if (!this.#ended()) this.#members[index] = this.#spawn(index);
  }
}

function killed(member: Member): void {
  member.mayEnd = true;
  member.process.signal("SIGKILL");
}

function lastWords({ stderr }: Streamgauge): string {
  return stderr.trimEnd().split("\n").slice(-3).join(" / ").slice(-600);
}
