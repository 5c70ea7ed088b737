/**
 * What a person says of an incident. It is a record of the profiles topic, in JSON beside the deltas: the judge's position covers
 * it, so that it is taken in once and in its place, and a replay of the log decides the same.
 */
import { StreamgaugeError } from "./errors.ts";
import { printable, textOf } from "./text.ts";

export const FEEDBACK_LABELS = ["fault", "expected", "new-normal"] as const;

/**
 * `fault`: its windows are never learned. `expected`: they are learned as they are. `new-normal`: and what is out moves there at
 * once. The two last end the incident.
 */
export type FeedbackLabel = (typeof FEEDBACK_LABELS)[number];

export interface Feedback {
  /** Id of an incident of the data. */
  readonly incident: string;
  readonly feedback: FeedbackLabel;
  /** Who said it. */
  readonly by?: string;
  /** In one line. */
  readonly note?: string;
  /** When, ISO 8601. Needed in files; on the topic the record's timestamp counts. */
  readonly at?: string;
}

const KEYS = ["incident", "feedback", "by", "note", "at"] as const;
const BY_MAX = 100;
const NOTE_MAX = 500;
const INCIDENT_MAX = 1000;
/** What JSON may begin with; a delta begins with 0xC3. */
const BEGINNINGS = new Set([0x20, 0x09, 0x0a, 0x0d, 0x7b]);

/** Whether a record of the profiles topic is none of its deltas. */
export function isFeedback(value: Uint8Array): boolean {
  return value.length > 0 && BEGINNINGS.has(value[0]!);
}

/** The topic that the incident is of. */
export function datasetOfIncident(incident: string): string {
  const slash = incident.indexOf("/");
  return slash < 0 ? incident : incident.slice(0, slash);
}

/** @throws {StreamgaugeError} `SG_INPUT`: why it is none, in one sentence. */
export function parseFeedback(value: Uint8Array | string): Feedback {
  let parsed: unknown;
  try {
    parsed = JSON.parse(typeof value === "string" ? value : textOf(value));
  } catch {
    throw refused("it is not JSON");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw refused("expected a JSON object");
  for (const key of Object.keys(parsed)) {
    if (!(KEYS as readonly string[]).includes(key)) {
      throw refused(`unknown key "${printable(key.slice(0, 60))}", expected ${KEYS.join(", ")}`);
    }
  }
  const fields = parsed as Readonly<Record<string, unknown>>;
  const incident = textAt(fields, "incident", INCIDENT_MAX);
  if (incident === undefined) throw refused("incident is missing");
  const { feedback } = fields;
  const label = FEEDBACK_LABELS.find((one) => one === feedback);
  if (label === undefined) throw refused(`feedback: expected one of ${FEEDBACK_LABELS.join(", ")}`);
  const by = textAt(fields, "by", BY_MAX);
  const note = textAt(fields, "note", NOTE_MAX);
  const at = textAt(fields, "at", 40);
  if (at !== undefined && Number.isNaN(timeOf(at))) {
    throw refused("at: expected a time such as 2026-05-01T12:00:00Z");
  }
  return {
    incident,
    feedback: label,
    ...(by === undefined ? {} : { by: oneLine(by) }),
    ...(note === undefined ? {} : { note: oneLine(note) }),
    ...(at === undefined ? {} : { at }),
  };
}

const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/;

/** Epoch milliseconds; NaN: it is no time with a zone. */
export function timeOf(text: string): number {
  return ISO_TIME.test(text) ? Date.parse(text) : Number.NaN;
}

/** Undefined: not there, null or empty. */
function textAt(fields: Readonly<Record<string, unknown>>, key: string, most: number): string | undefined {
  const value = fields[key];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw refused(`${key}: expected a text`);
  if (value.length > most) throw refused(`${key}: expected at most ${most} characters, got ${value.length}`);
  return value;
}

/** It stands in a sentence, on terminals too. */
function oneLine(text: string): string {
  return printable(text.replaceAll(/\s+/g, " ").trim());
}

function refused(reason: string): StreamgaugeError {
  return new StreamgaugeError("SG_INPUT", `Cannot take feedback: ${reason}`);
}
