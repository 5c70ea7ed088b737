// What is said of one way through one table, or of several tables together: from the scores of its faults and of its clean windows.

import { FAULT_KINDS, FAULT_SHARES } from "./faults.mjs";
import { areaUnderCurve, hindsightThreshold, perBudget, shareOf } from "./figures.mjs";

/** False alarms per budget that a hindsight threshold allows. */
const FALSE_ALARMS = [1, 1.3];
/** Faults that nobody may miss. */
const LARGE_SHARE = 0.1;
const scoreOf = ({ score }) => score;

export function summaryOf({ clean, faults }, budgetWindows) {
  const large = faults.filter(({ share }) => share >= LARGE_SHARE);
  const found = faults.filter(({ alarm }) => alarm);
  const hindsight = FALSE_ALARMS.map((falseAlarms) => {
    const threshold = hindsightThreshold(clean.map(scoreOf), { falseAlarms, budgetWindows });
    const isFound = ({ score }) => score > threshold;
    return { falseAlarms, threshold, recall: shareOf(faults, isFound), large: shareOf(large, isFound) };
  });
  const isFound = ({ alarm }) => alarm;
  return {
    cleanWindows: clean.length,
    auc: areaUnderCurve(faults.map(scoreOf), clean.map(scoreOf)),
    online: {
      recall: shareOf(faults, isFound),
      large: shareOf(large, isFound),
      falseAlarms: perBudget(clean.filter(isFound).length, clean.length, budgetWindows),
    },
    hindsight,
    blame: {
      first: shareOf(found, ({ blame }) => blame.first),
      three: shareOf(found, ({ blame }) => blame.three),
    },
    kinds: FAULT_KINDS.map(({ name }) => {
      const own = faults.filter(({ kind }) => kind === name);
      const bySize = FAULT_SHARES.map(
        (size) =>
          shareOf(
            own.filter(({ share }) => share === size),
            isFound,
          ).share,
      );
      return { kind: name, bySize, all: shareOf(own, isFound), blame: blameOfFound(own) };
    }),
    sizes: FAULT_SHARES.map(
      (size) =>
        shareOf(
          faults.filter(({ share }) => share === size),
          isFound,
        ).share,
    ),
    baselines: baselinesOf(clean, faults, budgetWindows),
  };
}

/** Each at the threshold that is best for it in hindsight, `pca` among them: the lane of the product, which is told what alarmed. */
function baselinesOf(clean, faults, budgetWindows) {
  const [first] = clean;
  if (first === undefined) return [];
  const lanes = [["pca lane (Uber's shape)", ({ pca }) => pca]];
  for (const name of Object.keys(first.others)) lanes.push([name, ({ others }) => others[name]]);
  return lanes.map(([name, laneOf]) => {
    const cleanScores = clean.map(laneOf);
    const [threshold] = FALSE_ALARMS.map((falseAlarms) =>
      hindsightThreshold(cleanScores, { falseAlarms, budgetWindows }),
    );
    return {
      name,
      auc: areaUnderCurve(faults.map(laneOf), cleanScores),
      recall: shareOf(faults, (fault) => laneOf(fault) > threshold),
    };
  });
}

function blameOfFound(faults) {
  return shareOf(
    faults.filter(({ alarm }) => alarm),
    ({ blame }) => blame.first,
  ).share;
}

/** What faults in the history cost: recalls at the same false alarms, one per budget. */
export function lossOf(beside, left) {
  return beside.hindsight.map(({ falseAlarms, recall }, i) => ({
    falseAlarms,
    loss: recall.share - left.hindsight[i].recall.share,
  }));
}

/** Of the clean stream: where the window of a day stands among those of its month, and whom it blames. */
export function rankOfDay(clean, dayMs) {
  const day = new Date(dayMs);
  const month = clean.filter(({ startMs }) => {
    const start = new Date(startMs);
    return start.getUTCFullYear() === day.getUTCFullYear() && start.getUTCMonth() === day.getUTCMonth();
  });
  const own = month.find(({ startMs }) => startMs === dayMs);
  if (own === undefined) return undefined;
  const rank = 1 + month.filter(({ score }) => score > own.score).length;
  return { rank, of: month.length, score: own.score, alarm: own.alarm, causes: own.causes };
}
