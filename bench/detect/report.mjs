// The figures as text for people. Recalls stand with their standard error, √(p(1 − p)/n).
import { FAULT_SHARES } from "./faults.mjs";

const WAY_NAMES = { beside: "beside the history", left: "left in the history" };

export function printTable({ name, windows, judged, streams, faults, budgetWindows, ways, loss, metrics }) {
  console.log();
  console.log(
    `== ${name}: ${windows} windows of which ${judged} are judged, ${faults} faults, ${metrics} metrics scored, left in ${streams} streams`,
  );
  for (const [way, summary] of Object.entries(ways)) printWay(way, summary, budgetWindows);
  for (const { falseAlarms, loss: lost } of loss ?? []) {
    console.log(`Lost by faults that stay in the history, at ${falseAlarms} false alarms: ${signed(lost)}`);
  }
}

function printWay(way, summary, budgetWindows) {
  const { auc, online, hindsight, blame, kinds, sizes, baselines, cleanWindows } = summary;
  console.log();
  console.log(`-- ${WAY_NAMES[way]} (${cleanWindows} clean windows): AUC ${fixed(auc, 3)}`);
  console.log(
    `   at its own threshold: recall ${recall(online.recall)}, of 10 % of the rows and more ${recall(online.large)}, ` +
      `${fixed(online.falseAlarms)} false alarms per ${budgetWindows} windows`,
  );
  for (const { falseAlarms, recall: all, large, threshold } of hindsight) {
    console.log(
      `   in hindsight at ${falseAlarms} per ${budgetWindows} (score above ${fixed(threshold)}): recall ${recall(all)}, of 10 % and more ${recall(large)}`,
    );
  }
  console.log(`   what was damaged is blamed first ${recall(blame.first)}, among three fields ${recall(blame.three)}`);
  console.log(`   recall at its own threshold by kind and share of the rows; last: the damaged field is blamed first`);
  const heads = [...FAULT_SHARES.map((share) => `${100 * share} %`), "all", "blame"];
  console.log(`   ${"".padEnd(18)}${heads.map((head) => head.padStart(7)).join("")}`);
  for (const { kind, bySize, all, blame: first } of kinds) {
    const cells = [...bySize, all.share, first].map((value) => fixed(value).padStart(7)).join("");
    console.log(`   ${kind.padEnd(18)}${cells}`);
  }
  console.log(`   ${"all".padEnd(18)}${sizes.map((value) => fixed(value).padStart(7)).join("")}`);
  console.log(`   others on the same vectors, each at its own best threshold in hindsight of 1 per ${budgetWindows}:`);
  for (const { name, auc: area, recall: found } of [
    { name: "this detector", auc, recall: hindsight[0].recall },
    ...baselines,
  ]) {
    console.log(`   ${name.padEnd(28)} AUC ${fixed(area, 3)}  recall ${recall(found)}`);
  }
}

export function printDay(day) {
  console.log();
  if (day === undefined) return;
  const { rank, of, score, alarm, causes } = day;
  const blamed = causes.map(({ fields, metric }) => `${fields.join(" and ") || "the dataset"} (${metric})`).join(", ");
  console.log(
    `27 July 2013, the one bad record: ${rank} of ${of} in its month, score ${fixed(score)}, ${alarm ? "an alarm" : "no alarm"}; blamed: ${blamed}`,
  );
}

export function printCost({ metrics, season, msMedian, msP99, msMean, decompositionMs, snapshotBytes }) {
  console.log(
    `${metrics} metrics, season ${season}: to score and learn a window takes ${fixed(msMedian)} ms of CPU in the median, ${fixed(msP99)} at p99, ` +
      `${fixed(msMean)} on average, where one eigenvalue decomposition of as many takes ${fixed(decompositionMs)}; the state is ${snapshotBytes.toLocaleString("en-US")} bytes of JSON`,
  );
}

export function printFleet({ datasets, all, afterSettled, quiet, most }) {
  console.log();
  console.log(
    `== fleet: ${datasets} data sets without a fault, ${fixed(100 * quiet, 0)} % without an alarm, at most ${most} in one`,
  );
  const line = (what, { windows, alarms, expected, se, ratio, ratioSe }) =>
    console.log(
      `   ${what.padEnd(24)} ${alarms} alarms ± ${fixed(se, 0)} in ${windows} windows, ${fixed(expected, 0)} expected: ${fixed(ratio)} ± ${fixed(ratioSe)} of the budget`,
    );
  line("all judged windows", all);
  line(`from window ${afterSettled.fromWindow} on`, afterSettled);
}

export function printCalm({ settled, tables, sliced, pooled }) {
  console.log();
  console.log(
    `== calm: streams in which nothing is planted, after ${settled} windows, against the budget; 95 % Poisson intervals`,
  );
  for (const { name, streams, windows, alarms, incidents, budget, ratio, low, high } of [
    ...tables,
    pooled,
    ...sliced,
  ]) {
    const counts = `${incidents} incidents (${alarms} alarms) in ${windows} windows, ${fixed(budget, 1)} allowed`;
    console.log(
      `   ${name.padEnd(42)} ${String(streams).padStart(3)} streams, ${counts}: ` +
        `${fixed(ratio)} of the budget (${fixed(low)}–${fixed(high)})`,
    );
  }
}

function recall({ share, se, n }) {
  return share === undefined ? "none" : `${fixed(share, 3)} ± ${fixed(se, 3)} (n ${n})`;
}

function fixed(value, digits = 2) {
  return value === undefined ? "–" : value.toFixed(digits);
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
}
