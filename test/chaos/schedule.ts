/** What happens when: a function of the seed and the options alone, so that a seed means the same acts again. */
import { SeededRandom } from "../../src/core/random.ts";

/** Places in the exactly-once recipe at which a process may die by its own hand; see `preload.mjs`. */
const POINTS = ["fence", "offset read", "send", "offsets sent", "commit sent", "commit"] as const;

export type Deed =
  /** kill -9, and a new process. */
  | { readonly kind: "kill" }
  /** kill -9 by its own hand when it next comes to the point, and a new process. */
  | { readonly kind: "die"; readonly at: (typeof POINTS)[number] }
  /** SIGSTOP at the point, or at once; SIGCONT after the time. */
  | { readonly kind: "freeze"; readonly at?: (typeof POINTS)[number]; readonly forMs: number }
  /** SIGTERM, and a new process. */
  | { readonly kind: "stop" }
  /** Each request of the process is late by this. */
  | { readonly kind: "slow network"; readonly byMs: number; readonly forMs: number }
  /** A foreign member joins and leaves the consumer group, every two seconds. */
  | { readonly kind: "storm"; readonly times: number }
  /** kill -9 of a broker, and its start after a while. */
  | { readonly kind: "kill broker"; readonly forMs: number }
  | { readonly kind: "freeze broker"; readonly forMs: number }
  | { readonly kind: "kill registry"; readonly forMs: number }
  | { readonly kind: "freeze registry"; readonly forMs: number }
  | { readonly kind: "add partition" };

export interface Act {
  /** From the beginning of the load. */
  readonly atMs: number;
  /** Which process or broker of those that are there: a number that is divided by their count. */
  readonly victim: number;
  readonly deed: Deed;
}

export interface ScheduleOptions {
  readonly seed: number;
  /** Acts happen in `[fromMs, untilMs)`. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** kill -9 of processes, those by their own hand among them. */
  readonly kills: number;
  readonly brokerKills: number;
  /** Other acts. */
  readonly others: number;
}

/** Of three kills one is by the process itself. */
const OWN_HAND = 3;
/** Beyond the session timeout of 6 s, and beyond the transaction timeout of 15 s, too. */
const FREEZES_MS = [8_000, 17_000] as const;

export function drawSchedule(options: ScheduleOptions): Act[] {
  const random = new SeededRandom(options.seed);
  const deeds: Deed[] = [];
  for (let kill = 0; kill < options.kills; kill++) {
    deeds.push(random.below(OWN_HAND) === 0 ? { kind: "die", at: oneOf(random, POINTS) } : { kind: "kill" });
  }
  for (let kill = 0; kill < options.brokerKills; kill++) {
    deeds.push({ kind: "kill broker", forMs: random.below(3_000) });
  }
  for (let other = 0; other < options.others; other++) deeds.push(otherDeed(other, random));
  shuffle(deeds, random);
  const stepMs = (options.untilMs - options.fromMs) / Math.max(1, deeds.length);
  return deeds.map((deed, index) => ({
    atMs: Math.round(options.fromMs + (index + random.next()) * stepMs),
    victim: random.nextUint32(),
    deed,
  }));
}

/** In turn, so that a few acts already are of every kind. */
function otherDeed(turn: number, random: SeededRandom): Deed {
  const forMs = oneOf(random, FREEZES_MS);
  switch (turn % 10) {
    case 0:
      return { kind: "freeze", forMs };
    case 1:
      return { kind: "stop" };
    case 2:
      return { kind: "storm", times: 4 };
    case 3:
      return { kind: "freeze registry", forMs: 8_000 };
    case 4:
      return { kind: "freeze", at: oneOf(random, POINTS), forMs };
    case 5:
      return { kind: "slow network", byMs: 50 + random.below(450), forMs: 10_000 };
    case 6:
      return { kind: "kill registry", forMs: 2_000 };
    case 7:
      return { kind: "add partition" };
    case 8:
      return { kind: "freeze broker", forMs: 8_000 };
    default:
      return { kind: "freeze", at: "send", forMs: FREEZES_MS[1] };
  }
}

/**
 * What stands for a deed where the processes use node-rdkafka, which is not wrapped: at a point is at once, and a member by
 * kafkajs is not let in.
 */
export function deedForRdkafka(deed: Deed): Deed {
  switch (deed.kind) {
    case "die":
      return { kind: "kill" };
    case "freeze":
      return { kind: "freeze", forMs: deed.forMs };
    case "slow network":
    case "storm":
      return { kind: "stop" };
    default:
      return deed;
  }
}

export function describeDeed(deed: Deed): string {
  const { kind, ...rest } = deed;
  return [kind, ...Object.entries(rest).map(([name, value]) => `${name} ${value}`)].join(", ");
}

function oneOf<T>(random: SeededRandom, choices: readonly T[]): T {
  return choices[random.below(choices.length)]!;
}

function shuffle(items: unknown[], random: SeededRandom): void {
  for (let at = items.length - 1; at > 0; at--) {
    const other = random.below(at + 1);
    [items[at], items[other]] = [items[other], items[at]];
  }
}
