/**
 * AssemblyScript source of the sort and scan kernels for blocks of up to 1024 doubles, two at a time where the processor
 * can. `src/sketches/sort.ts` says how the sort works. `npm run build:wasm` compiles this into
 * `src/sketches/sort-wasm-module.ts`; a test compares the two.
 *
 * The module's memory: values at 0, a copy of them, keys, and counts. Behind the values lie 8 bytes that are read and
 * ignored.
 */
const MOST_VALUES: usize = 1024;
const COPY: usize = MOST_VALUES * 8 + 16;
const KEYS: usize = COPY + MOST_VALUES * 8 + 16;
const COUNTS: usize = KEYS + MOST_VALUES;
const BUCKETS: i32 = 256;
/** min, max and whether there is a NaN, as doubles. */
const BOUNDS: usize = COUNTS + 4 * BUCKETS;

/** Crowded = one bucket holds more than this part of the values. */
const CROWDED_SHARE: i32 = 8;
/** Moves by insertion, for each value, after which the built-in sort is the faster one. */
const MOVES_PER_VALUE: i32 = 24;
/** Of the distance from an origin, 12 buckets for each octave: three quarters of the top bits of the high word. */
const DISTANCE_FACTOR: i32 = 3;
const DISTANCE_SHIFT: i32 = 18;

/** Writes minimum, maximum and 1 when there is a NaN, else 0, of the values `[0, count)`, at least one, to `bounds()`. */
export function scan(count: i32): void {
  let min = f64x2.splat(load<f64>(0));
  let max = min;
  let strange = f64x2.ne(min, min);
  const end = (<usize>(count & ~1)) << 3;
  for (let at: usize = 0; at < end; at += 16) {
    const pair = v128.load(at);
    min = f64x2.pmin(min, pair);
    max = f64x2.pmax(max, pair);
    strange = v128.or(strange, f64x2.ne(pair, pair));
  }
  if (count & 1) {
    const last = f64x2.splat(load<f64>(end));
    min = f64x2.pmin(min, last);
    max = f64x2.pmax(max, last);
    strange = v128.or(strange, f64x2.ne(last, last));
  }
  store<f64>(BOUNDS, smaller(f64x2.extract_lane(min, 0), f64x2.extract_lane(min, 1)));
  store<f64>(BOUNDS, larger(f64x2.extract_lane(max, 0), f64x2.extract_lane(max, 1)), 8);
  store<f64>(BOUNDS, v128.any_true(strange) ? 1 : 0, 16);
}

/** Where `scan()` writes. */
export function bounds(): usize {
  return BOUNDS;
}

/** Sorts the values `[0, count)`, none of them NaN; false, with all of them still there, when another sort is faster. */
export function sort(count: i32): bool {
  if (isSorted(count)) return true;
  scan(count);
  const min = load<f64>(BOUNDS);
  const max = load<f64>(BOUNDS, 8);
  const range = max - min;
  const scale = (<f64>BUCKETS - 0.001) / range;
  if (!(range < Infinity && scale < Infinity)) return insert(count);
  const place = (meanOf(count) - min) / range;
  // Far from the middle = a heavy tail. Buckets are then about equally wide in the logarithm of the distance from where
  // most values lie: one end, or, for tails on both sides, any of them.
  if (place < 0.0625) distanceKeys(count, min, range, 1);
  else if (place > 0.9375) distanceKeys(count, max, range, -1);
  else if (linearKeys(count, min, scale) * CROWDED_SHARE > count) {
    const middle = load<f64>((<usize>(count >> 1)) << 3);
    distanceKeys(count, middle, larger(max - middle, middle - min), 0);
  }
  scatter(count);
  return insert(count);
}

function isSorted(count: i32): bool {
  const last = (<usize>(count - 1)) << 3;
  for (let at: usize = 0; at < last; at += 8) if (load<f64>(at) > load<f64>(at, 8)) return false;
  return true;
}

function meanOf(count: i32): f64 {
  let sum = f64x2.splat(0);
  const end = (<usize>(count & ~1)) << 3;
  for (let at: usize = 0; at < end; at += 16) sum = f64x2.add(sum, v128.load(at));
  return (f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1)) / <f64>(count & ~1);
}

/** Chooses the bucket of each value by its size; returns how many the fullest holds. */
function linearKeys(count: i32, min: f64, scale: f64): i32 {
  memory.fill(COUNTS, 0, 4 * BUCKETS);
  for (let i: usize = 0; i < <usize>count; i++) {
    const value = load<f64>(i << 3);
    store<f64>(COPY + (i << 3), value);
    note(i, <i32>((value - min) * scale));
  }
  let fullest = 0;
  for (let key: usize = 0; key < <usize>BUCKETS; key++) fullest = max<i32>(fullest, load<i32>(COUNTS + (key << 2)));
  return fullest;
}

/**
 * Chooses the bucket by the distance from `origin`, at most `most`. `side`: where the values lie, above (1), below (-1) or
 * on both sides (0) of it, each of which then has half of the buckets. The 21, or 10, octaves below `most` are told apart.
 */
function distanceKeys(count: i32, origin: f64, most: f64, side: i32): void {
  const buckets = side == 0 ? BUCKETS >> 1 : BUCKETS;
  const least = highWord(most) - (buckets << DISTANCE_SHIFT) / DISTANCE_FACTOR;
  // Nearer = a lower bucket above the origin, a higher one below.
  const below = buckets - 1;
  const above = side == 0 ? buckets : side > 0 ? 0 : below;
  memory.fill(COUNTS, 0, 4 * BUCKETS);
  for (let i: usize = 0; i < <usize>count; i++) {
    const value = load<f64>(i << 3);
    store<f64>(COPY + (i << 3), value);
    const distance = value - origin;
    const step = max<i32>(0, highWord(abs<f64>(distance)) - least);
    const key = min<i32>(buckets - 1, <i32>((<u32>step * DISTANCE_FACTOR) >> DISTANCE_SHIFT));
    note(i, key ^ (distance < 0 ? below : above));
  }
}

function highWord(value: f64): i32 {
  return <i32>(reinterpret<u64>(value) >> 32);
}

function note(index: usize, key: i32): void {
  store<u8>(KEYS + index, <u8>key);
  const count = COUNTS + ((<usize>key) << 2);
  store<i32>(count, load<i32>(count) + 1);
}

/** Puts the copied values back bucket by bucket. */
function scatter(count: i32): void {
  let start = 0;
  for (let key: usize = 0; key < <usize>BUCKETS; key++) {
    const size = load<i32>(COUNTS + (key << 2));
    store<i32>(COUNTS + (key << 2), start);
    start += size << 3;
  }
  for (let i: usize = 0; i < <usize>count; i++) {
    const next = COUNTS + ((<usize>load<u8>(KEYS + i)) << 2);
    const target = load<i32>(next);
    store<i32>(next, target + 8);
    store<f64>(target, load<f64>(COPY + (i << 3)));
  }
}

/** Gives up when it takes more moves than a budget. */
function insert(count: i32): bool {
  let left = count * MOVES_PER_VALUE;
  const end = (<usize>count) << 3;
  let previous = load<f64>(0);
  for (let at: usize = 8; at < end; at += 8) {
    const value = load<f64>(at);
    if (value >= previous) {
      previous = value;
      continue;
    }
    let to = at;
    do {
      store<f64>(to, load<f64>(to - 8));
      to -= 8;
      left--;
    } while (to > 0 && load<f64>(to - 8) > value);
    store<f64>(to, value);
    if (left < 0) return false;
  }
  return true;
}

function smaller(a: f64, b: f64): f64 {
  return a < b ? a : b;
}

function larger(a: f64, b: f64): f64 {
  return a > b ? a : b;
}
