/**
 * `streamgauge feedback -c FILE INCIDENT fault|expected|new-normal`: a person overrules the detector. The record goes to the profiles
 * topic, where the judge takes it in once, in its place among the deltas; it answers on the alerts topic.
 */
import { loadConfigFile } from "../config/load-config.ts";
import { createKafkaInspector } from "../consumers/kafka-inspection.ts";
import { createKafkaLog } from "../consumers/kafka-log.ts";
import { systemClock } from "../core/clock.ts";
import { EXIT_CODES, StreamgaugeError } from "../core/errors.ts";
import { datasetOfIncident, type Feedback, type FeedbackLabel, parseFeedback } from "../core/feedback.ts";
import { editDistance } from "../core/nearest.ts";
import { printable, textOf, utf8 } from "../core/text.ts";
import { SHARD_KEY, topicNames } from "../core/topics.ts";
import { type AlertRecord, isOwnIncident } from "../core/verdict.ts";
import { needed } from "./deployment.ts";
import type { Io } from "./io.ts";
import { createLogger } from "./logger.ts";

export interface FeedbackArguments {
  readonly config: string;
  readonly incident: string;
  readonly feedback: FeedbackLabel;
  readonly note?: string;
  /** @default the user of the operating system */
  readonly by?: string;
  readonly json: boolean;
}

export async function feedback(args: FeedbackArguments, io: Io): Promise<number> {
  const by = args.by ?? io.env.USER ?? io.env.LOGNAME;
  const given = { incident: args.incident, feedback: args.feedback, by, note: args.note };
  // Read as the judge reads it, so that it is refused here and not there.
  const record = asArgument(() => parseFeedback(JSON.stringify(given)));
  const { config } = await loadConfigFile({ file: args.config, env: io.env, command: "ledger" });
  const kafka = needed(config.kafka, "kafka");
  const clientId = `streamgauge-${config.deployment}-feedback`;
  const clock = systemClock();
  const options = { kafka, clock, logger: createLogger(io, "error"), clientId };
  const log = createKafkaLog(options);
  try {
    const { alerts, profiles } = topicNames(config.topics.prefix);
    const existing = await log.describeTopics([alerts, profiles]);
    for (const topic of [alerts, profiles]) {
      if (existing.has(topic)) continue;
      const advice = "has run been started with this configuration, and may this user see it?";
      throw new StreamgaugeError("SG_CONFIG", `Cannot give feedback: there is no topic ${topic}; ${advice}`);
    }
    const told = new Map<string, AlertRecord>();
    await createKafkaInspector(options).eachRecord(alerts, existing.get(alerts)?.partitions ?? 1, ({ value }) => {
      const alert = value === null ? undefined : alertOf(value);
      if (alert !== undefined && !isOwnIncident(alert)) told.set(alert.incident, alert);
    });
    const last = told.get(record.incident) ?? refuseUnknown(record.incident, [...told.keys()], alerts);
    if (!config.datasets.some(({ topic }) => topic === datasetOfIncident(record.incident))) {
      const reason = `the configuration has no dataset ${printable(last.dataset)}, so nobody would take it in`;
      throw new StreamgaugeError("SG_CONFIG", `Cannot give feedback: ${reason}`);
    }
    const value = utf8(JSON.stringify(record));
    await log.append([{ topic: profiles, partition: 0, key: SHARD_KEY, value, timestampMs: clock.nowMs() }]);
    if (args.json) io.stdout(JSON.stringify({ ...record, state: last.state, sentence: last.sentence }));
    else for (const line of linesOf(record, last, alerts)) io.stdout(line);
    return EXIT_CODES.ok;
  } finally {
    await log.close();
  }
}

/** What cannot be said is a mistake of whoever typed it. */
function asArgument<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof StreamgaugeError)) throw error;
    throw new StreamgaugeError("SG_CONFIG", error.message, { cause: error });
  }
}

/** Undefined: it is none of ours. */
function alertOf(value: Uint8Array): AlertRecord | undefined {
  try {
    const alert = JSON.parse(textOf(value)) as Partial<AlertRecord> | null;
    return typeof alert?.incident === "string" && typeof alert.dataset === "string"
      ? (alert as AlertRecord)
      : undefined;
  } catch {
    return undefined;
  }
}

/** The newest of these are compared with what was typed. */
const COMPARED_MAX = 1000;

function refuseUnknown(incident: string, known: readonly string[], topic: string): never {
  const said = printable(incident.slice(0, 200));
  let nearest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of known.slice(-COMPARED_MAX)) {
    const distance = editDistance(incident.slice(0, 200), candidate.slice(0, 200));
    if (distance <= least) [least, nearest] = [distance, candidate];
  }
  const hint =
    nearest === undefined ? `no incident was told on ${topic} so far` : `the nearest is "${printable(nearest)}"`;
  throw new StreamgaugeError("SG_CONFIG", `Cannot give feedback: ${topic} has no incident "${said}"; ${hint}`);
}

function* linesOf(record: Feedback, { state, sentence }: AlertRecord, topic: string): Generator<string> {
  yield `${printable(record.incident)} (${state === "resolved" ? "resolved" : "open"}): ${record.feedback}`;
  yield `  last told: ${printable(sentence)}`;
  yield `  the judge answers on ${topic}, with the reason feedback`;
}
