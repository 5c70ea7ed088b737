/** Judged windows as incidents want them. */
import type { SliceVerdict } from "../alerts/incident-tracker.ts";
import { compareSlices } from "../windows/window-store.ts";
import type { Judged } from "./series-judge.ts";

/** All slices of a window make one tick of the incident, wherever they stand. */
export function ticksOf(told: readonly Judged[]): Iterable<readonly Judged[]> {
  const ticks = new Map<string, Judged[]>();
  for (const judged of told) {
    const key = `${judged.window.startMs}|${judged.window.endMs}`;
    const tick = ticks.get(key);
    if (tick === undefined) ticks.set(key, [judged]);
    else tick.push(judged);
  }
  return ticks.values();
}

/** By end, then size, then slice, `all` first. */
export function byWindow({ window: a }: Judged, { window: b }: Judged): number {
  return a.endMs - b.endMs || b.startMs - a.startMs || compareSlices(a.slice, b.slice);
}

export function sliceVerdict({ window, score, kind, sinceMs, learned, traced }: Judged): SliceVerdict {
  return {
    slice: window.slice,
    alarm: score.outcome === "fail",
    judged: score.outcome !== "unknown",
    score: score.score,
    ...(score.relativeP !== undefined && { relativeP: score.relativeP }),
    severity: score.severity,
    kind,
    ...(sinceMs === undefined ? {} : { sinceMs }),
    causes: score.causes,
    ...traced,
    ...learned,
  };
}
