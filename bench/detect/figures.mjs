// The figures of the benchmark, as pure functions over scores: a higher score is worse, an absent one is that of a window nobody complained of.
// Nothing is imported, so that the tests need no build.

/** Chance that a fault scores above a clean window, ties half (Mann–Whitney); undefined without one of the two. */
export function areaUnderCurve(faultScores, cleanScores) {
  if (faultScores.length === 0 || cleanScores.length === 0) return undefined;
  const clean = Float64Array.from(cleanScores).sort();
  let above = 0;
  for (const score of faultScores) {
    const below = countBelow(clean, score, false);
    above += below + (countBelow(clean, score, true) - below) / 2;
  }
  return above / (faultScores.length * clean.length);
}

/**
 * The threshold that so many false alarms per `budgetWindows` windows allow, found in hindsight on the clean scores themselves: an alarm is
 * a score *above* it. The number of alarms is rounded down, and with ties there are fewer.
 */
export function hindsightThreshold(cleanScores, { falseAlarms, budgetWindows }) {
  const allowed = Math.floor((falseAlarms * cleanScores.length) / budgetWindows + 1e-9);
  const descending = Float64Array.from(cleanScores).sort().reverse();
  return allowed < descending.length ? descending[allowed] : Number.NEGATIVE_INFINITY;
}

/** Share of the items that hold; `se` is the standard error of a binomial share. */
export function shareOf(items, holds) {
  const n = items.length;
  if (n === 0) return { share: undefined, se: undefined, n };
  const share = items.filter(holds).length / n;
  return { share, se: Math.sqrt((share * (1 - share)) / n), n };
}

/** Alarms in so many windows, as there are per `budgetWindows`. */
export function perBudget(alarms, windows, budgetWindows) {
  return windows === 0 ? undefined : (alarms / windows) * budgetWindows;
}

/**
 * Whether the causes blame what was damaged: in the first of them, and among the first three distinct fields. `damaged`: names of fields;
 * none for the dataset itself, which a cause without fields blames.
 */
export function blameOf(causes, damaged) {
  const isBlamed = (name) => (damaged.length === 0 ? name === "" : damaged.includes(name));
  const names = new Set();
  for (const { fields } of causes) for (const name of fields.length === 0 ? [""] : fields) names.add(name);
  const [first] = causes;
  return {
    first: first !== undefined && (first.fields.length === 0 ? [""] : first.fields).some(isBlamed),
    three: [...names].slice(0, 3).some(isBlamed),
  };
}

/** Exact 95 % interval of a Poisson mean of which so many were counted (Garwood 1936). */
export function poissonInterval(count) {
  const tail = 0.025;
  // Chance of at most `most` falls with the mean.
  const meanAt = (most, chance) => {
    let [low, high] = [0, 10 + 3 * count];
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2;
      if (poissonAtMost(most, middle) > chance) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  };
  return [count === 0 ? 0 : meanAt(count - 1, 1 - tail), meanAt(count, tail)];
}

function poissonAtMost(most, mean) {
  let sum = 0;
  let logTerm = -mean;
  for (let k = 0; k <= most; k++) {
    if (k > 0) logTerm += Math.log(mean / k);
    sum += Math.exp(logTerm);
  }
  return sum;
}

/** By quantile of a sorted copy; undefined of nothing. */
export function quantileOf(values, q) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

/** Of ascending values: how many are less than `limit`, or not above it. */
function countBelow(ascending, limit, orEqual) {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const value = ascending[middle];
    if (value < limit || (orEqual && value === limit)) low = middle + 1;
    else high = middle;
  }
  return low;
}
