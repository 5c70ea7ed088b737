/** What everyone is told when a person has said what an incident was. */
import type { Feedback, FeedbackLabel } from "../core/feedback.ts";
import { isoTime } from "../core/text.ts";
import type { AlertRecord } from "../core/verdict.ts";
import type { CalledIncident } from "./alarm-history.ts";
import { windowLabel } from "./sentence.ts";

const WORDS: Readonly<Record<FeedbackLabel, string>> = {
  fault: "a fault",
  expected: "expected",
  "new-normal": "the new normal",
};

/** "8 Feb: marked as expected by ann: marathon". It holds no values but what the person wrote. */
export function feedbackSentence(
  { feedback, by, note }: Feedback,
  window: { readonly startMs: number; readonly sizeMs: number; readonly timezone: string },
): string {
  const who = by === undefined ? "" : ` by ${by}`;
  return `${windowLabel(window)}: marked as ${WORDS[feedback]}${who}${note === undefined ? "" : `: ${note}`}`;
}

/** Of an incident that is over: it stays so. The window is the one that opened it. */
export function feedbackOnPast(
  incident: CalledIncident,
  { dataset, revision, sentence }: { readonly dataset: string; readonly revision: number; readonly sentence: string },
): AlertRecord {
  return {
    incident: incident.id,
    state: "resolved",
    dataset,
    slices: [],
    severity: incident.severity,
    windowStart: isoTime(incident.startMs),
    windowEnd: isoTime(incident.endMs),
    revision,
    reason: "feedback",
    kind: incident.kind,
    ...(incident.isBacktest === true && { backtest: true }),
    sentence,
    causes: [],
    evidence: [],
  };
}
