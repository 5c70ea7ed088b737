/**
 * Hours of a business whose weekends differ from its weekdays by the hour: what is normal on a Tuesday at ten is an outage on no Sunday. Counts are
 * Poisson, shares binomial over the rows of their window. 0 is Monday, 00:00.
 */
import type { DetectorInput } from "../../src/core/detector.ts";
import type { MetricValue } from "../../src/core/metric.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { gaussian } from "./stream.ts";

export const WEEK = 7 * 24;

/** What a seed makes of the pattern. */
interface Business {
  /** Orders in the hour that is the busiest. */
  readonly busy: number;
  /** By night. */
  readonly quiet: number;
  readonly saturday: number;
  readonly sunday: number;
  /** Of `reference`, on nights of the weekend, when orders are imported. */
  readonly imported: number;
}

function businessOf(seed: number): Business {
  const random = new SeededRandom(4_000 + seed);
  const between = (low: number, high: number) => low + (high - low) * random.next();
  return {
    busy: between(300, 1500),
    quiet: between(10, 40),
    saturday: between(0.35, 0.6),
    sunday: between(2, 6),
    imported: between(0.1, 0.25),
  };
}

/** Orders that are expected in the hour. Weekdays 9 to 18 with a dip at noon, Saturdays about half of it until 14, Sundays nearly none at all. */
function ordersOf({ busy, quiet, saturday, sunday }: Business, hour: number): number {
  const day = Math.floor(hour / 24) % 7;
  const of = hour % 24;
  const isOpen = of >= 9 && of < (day === 5 ? 14 : 18);
  if (day === 6) return sunday;
  const shape = of === 12 || of === 13 ? 0.7 : of === 9 || of === 17 ? 0.8 : 1;
  return isOpen ? busy * shape * (day === 5 ? saturday : 1) : day === 5 ? quiet * saturday : quiet;
}

function isNightOfWeekend(hour: number): boolean {
  const day = Math.floor(hour / 24) % 7;
  return day >= 5 && (hour % 24 < 6 || hour % 24 >= 22);
}

/** Sums of thinned exponentials for few, a rounded normal for many. */
function poisson(random: SeededRandom, mean: number): number {
  if (mean > 60) return Math.max(0, Math.round(mean + Math.sqrt(mean) * gaussian(random)));
  const limit = Math.exp(-mean);
  let count = -1;
  for (let product = 1; product > limit; product *= random.next()) count++;
  return Math.max(0, count);
}

function binomial(random: SeededRandom, n: number, share: number): number {
  let count = 0;
  for (let i = 0; i < n; i++) if (random.next() < share) count++;
  return count;
}

/** The same hour and seed give the same window. `part`: of the orders that come. */
export function businessHour(seed: number, hour: number, part = 1): DetectorInput {
  const business = businessOf(seed);
  const random = new SeededRandom(1 + seed * 1_000_003 + hour * 7_919);
  const rows = poisson(random, part * ordersOf(business, hour));
  const share = (id: string, field: string, of: number): MetricValue => {
    const value = rows === 0 ? undefined : binomial(random, rows, of) / rows;
    return { id, kind: "share", fields: [field], value, n: rows, scored: true };
  };
  const mean = rows === 0 ? undefined : 40 + (12 * gaussian(random)) / Math.sqrt(rows);
  const metrics: MetricValue[] = [
    { id: "row_count()", kind: "count", fields: [], value: rows, n: rows, scored: true },
    share("null_rate(reference)", "reference", isNightOfWeekend(hour) ? business.imported : 0.02),
    share("null_rate(phone)", "phone", 0.3),
    { id: "mean(amount)", kind: "value", fields: ["amount"], value: mean, n: rows, scored: true },
  ];
  return { index: hour, secondPhase: hour % WEEK, metrics };
}
