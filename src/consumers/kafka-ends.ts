/** Asks for the ends of partitions now and then: what a claim lags is shown, also where no fetch tells it. */
import type { Clock, Timer } from "../core/clock.ts";
import type { KafkaAdmin } from "./kafka-admin.ts";
import type { KafkaClaim } from "./kafka-claim.ts";

export interface EndsWatchOptions {
  readonly admin: KafkaAdmin;
  readonly clock: Clock;
  /** How old an end may be. */
  readonly everyMs: number;
  /** Whose ends are wanted. */
  readonly claims: () => readonly KafkaClaim[];
  /** What to do with the end of a claim's partition, as it was when asked for. */
  readonly note: (claim: KafkaClaim, endOffset: number, askedAtMs: number) => void;
}

export class EndsWatch {
  readonly #options: EndsWatchOptions;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: EndsWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.after(this.#options.everyMs, () => this.#refresh());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #refresh(): void {
    const { admin, clock, claims, note } = this.#options;
    const wanted = claims();
    const askedAtMs = clock.monotonicMs();
    const questions = Array.from(new Set(wanted.map(({ topic }) => topic)), async (topic) => {
      const ends = await admin.partitionEnds(topic);
      for (const claim of wanted) {
        if (claim.topic !== topic) continue;
        const own = ends.find(({ partition }) => partition === claim.partition);
        if (own !== undefined) note(claim, own.stable, askedAtMs);
      }
    });
    // A broker that does not answer is told of by what needs it; nobody waits for this, not even a stop.
    void Promise.allSettled(questions).then(() => {
      if (!this.#stopped) this.start();
    });
  }
}
