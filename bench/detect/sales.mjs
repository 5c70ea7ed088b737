// A second table, so that nothing is tuned to the flights: the orders of a chain of shops that does not exist, two years of days.
// Weekly season, growth, a yearly wave, promotions (more orders, more discount, a code on many of them), heavy-tailed amounts, skewed
// categories, a customer record that is absent for guests. A window's rows are made from the seed and its number alone.
import { SeededRandom } from "../../dist/core/random.js";
import { DAY_MS, DAYS_BUDGET } from "./windows.mjs";

const DAYS = 730;
const START_MS = Date.UTC(2024, 0, 1);
/** Monday first. */
const WEEK = [0.85, 0.8, 0.85, 0.95, 1.25, 1.5, 0.8];
const PROMOTION_EVERY = 29;
const PROMOTION_DAYS = 3;
const STORES = Array.from({ length: 40 }, (_, i) => `S${String(i + 1).padStart(3, "0")}`);
const CHANNELS = ["web", "app", "shop", "phone"];
const SEGMENTS = ["new", "regular", "gold", "staff"];
const CATEGORIES = ["grocery", "home", "garden", "toys", "books", "sport", "beauty", "shoes", "audio", "pets"];
const CODES = ["SPRING", "WELCOME10", "FRIENDS", "BUNDLE"];
const STATUSES = ["PAID", "PENDING", "REFUNDED", "FAILED"];

const COLUMNS = [
  { path: "ordered_at", type: "timestamp", isEventTime: true },
  { path: "order_id", type: "string", isUnique: true },
  { path: "store", type: "string" },
  { path: "channel", type: "string" },
  { path: "category", type: "string" },
  { path: "status", type: "enum", symbols: STATUSES },
  { path: "amount", type: "double" },
  { path: "discount", type: "double" },
  { path: "items", type: "int" },
  { path: "weight_kg", type: "double" },
  { path: "promo_code", type: "string" },
  { path: "customer.segment", type: "string" },
  { path: "customer.age", type: "int" },
  { path: "is_gift", type: "boolean" },
  { path: "paid_at", type: "timestamp", clock: "ms" },
];

export function sales(seed) {
  const known = [...STORES, ...CHANNELS, ...CATEGORIES, ...SEGMENTS, ...CODES];
  const texts = new Set(known);
  return {
    name: "sales",
    columns: COLUMNS,
    nullableGroups: new Set(["customer"]),
    sizeMs: DAY_MS,
    season: 7,
    ...DAYS_BUDGET,
    pairs: undefined,
    policyOf: () => "show",
    async load() {
      return {
        windows: Array.from({ length: DAYS }, (_, index) => ({ index, startMs: START_MS + index * DAY_MS })),
        rowsOf: (window) => ordersOf(window, seed),
        isKnown: (_column, text) => texts.has(text),
      };
    },
  };
}

function ordersOf(day, seed) {
  const random = new SeededRandom(new SeededRandom(seed * 7919 + day).nextUint32());
  const isPromotion = day % PROMOTION_EVERY < PROMOTION_DAYS;
  const wave = 1 + 0.25 * Math.sin((2 * Math.PI * day) / 365);
  const mood = Math.exp(0.08 * normal(random));
  const mean = 700 * WEEK[day % 7] * wave * (1 + day / DAYS) * (isPromotion ? 1.5 : 1) * mood;
  const count = Math.max(300, Math.min(3_000, Math.round(mean + Math.sqrt(mean) * normal(random))));
  const times = Array.from({ length: count }, () => START_MS + day * DAY_MS + Math.floor(DAY_MS * dayTime(random)));
  times.sort((a, b) => a - b);
  return times.map((time, i) => order(random, { time, id: day * 10_000 + i, isPromotion }));
}

function order(random, { time, id, isPromotion }) {
  const items = 1 + Math.floor(-Math.log(1 - random.next()) * 1.8);
  // Of a log-normal with a tail: one order in thirty is a company's.
  const price = Math.exp(2.6 + 0.8 * normal(random)) * (random.below(30) === 0 ? 12 : 1);
  const amount = Math.round(100 * items * price) / 100;
  const hasCode = random.next() < (isPromotion ? 0.35 : 0.08);
  const discount = hasCode ? Math.round(amount * (5 + random.below(20))) / 100 : 0;
  const isGuest = random.next() < 0.22;
  const status = STATUSES[skewed(random, STATUSES.length, 3)];
  const isPaid = status === "PAID" || status === "REFUNDED";
  return [
    time,
    `O-${id.toString(36).toUpperCase().padStart(7, "0")}`,
    STORES[skewed(random, STORES.length, 2)],
    CHANNELS[skewed(random, CHANNELS.length, 1.5)],
    CATEGORIES[skewed(random, CATEGORIES.length, 1.7)],
    status,
    amount,
    discount,
    items,
    random.next() < 0.06 ? null : Math.round(1000 * items * Math.exp(0.5 * normal(random) - 0.9)) / 1000,
    hasCode ? CODES[skewed(random, CODES.length, 1.5)] : null,
    isGuest ? undefined : SEGMENTS[skewed(random, SEGMENTS.length, 1.6)],
    isGuest ? undefined : random.next() < 0.1 ? null : Math.round(Math.max(18, Math.min(95, 42 + 14 * normal(random)))),
    random.next() < 0.07,
    isPaid ? time + Math.round(1000 * Math.exp(3.5 + 1.1 * normal(random))) : null,
  ];
}

/** Share of the day: a peak at noon and a higher one in the evening. */
function dayTime(random) {
  const centre = random.next() < 0.4 ? 0.5 : 0.79;
  const time = centre + 0.09 * normal(random);
  return Math.min(0.999_999, Math.max(0, time));
}

/** An index below `count`, the low ones more often. */
function skewed(random, count, power) {
  return Math.floor(count * random.next() ** power);
}

/** Box–Muller. */
export function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}
