/**
 * `streamgauge ledger -c FILE`: the ledger of a deployment, read from its profiles topic without a consumer group: up to
 * where each partition is counted, what is missing, what came twice, and how far the end is.
 */
import { loadConfigFile } from "../config/load-config.ts";
import { createKafkaInspector } from "../consumers/kafka-inspection.ts";
import { createKafkaLog } from "../consumers/kafka-log.ts";
import { systemClock } from "../core/clock.ts";
import { EXIT_CODES, StreamgaugeError } from "../core/errors.ts";
import { isFeedback } from "../core/feedback.ts";
import type { LogRecord } from "../core/log.ts";
import { isoTime, printable } from "../core/text.ts";
import { topicNames } from "../core/topics.ts";
import type { LedgerCounts } from "../core/window.ts";
import { decodeDelta } from "../profiles/delta-codec.ts";
import { type DatasetLedger, LedgerReport, type OffsetRange, type PartitionLedger } from "../windows/ledger-report.ts";
import { needed, requireInputs } from "./deployment.ts";
import type { Io } from "./io.ts";
import { createLogger } from "./logger.ts";

export interface LedgerArguments {
  readonly config: string;
  readonly json: boolean;
  /** Exit with 1 when offsets are missing or were counted twice. */
  readonly failOnGap: boolean;
}

/** Records of the profiles topic that are no deltas. */
interface Unreadable {
  count: number;
  /** `topic[partition]@offset: why` */
  first?: string;
}

export async function ledger(args: LedgerArguments, io: Io): Promise<number> {
  const { config } = await loadConfigFile({ file: args.config, env: io.env, command: "ledger" });
  const kafka = needed(config.kafka, "kafka");
  const clientId = `streamgauge-${config.deployment}-ledger`;
  const options = { kafka, clock: systemClock(), logger: createLogger(io, "error"), clientId };
  const log = createKafkaLog(options);
  const inspector = createKafkaInspector(options);
  try {
    const { profiles } = topicNames(config.topics.prefix);
    const existing = await log.describeTopics([profiles, ...config.datasets.map(({ topic }) => topic)]);
    const partitions = existing.get(profiles)?.partitions;
    if (partitions === undefined) {
      const advice = "has run been started with this configuration, and may this user read it?";
      throw new StreamgaugeError("SG_CONFIG", `Cannot read the ledger: there is no topic ${profiles}; ${advice}`);
    }
    // Without its end nobody can say what is missing.
    await requireInputs(log, config);
    const reports = new Map(config.datasets.map(({ topic, time }) => [topic, new LedgerReport(topic, time)]));
    const unreadable: Unreadable = { count: 0 };
    await inspector.eachRecord(profiles, partitions, (record, partition) => {
      take(record, `${profiles}[${partition}]@${record.offset}`, reports, unreadable);
    });
    const ledgers: DatasetLedger[] = [];
    for (const [topic, report] of reports) {
      // After the entries: what they speak of is there.
      const extents = await inspector.extents(topic, existing.get(topic)?.partitions ?? 0);
      ledgers.push(report.report(extents));
    }
    if (args.json) io.stdout(JSON.stringify(jsonOf(ledgers, unreadable)));
    else for (const line of linesOf(ledgers, unreadable)) io.stdout(line);
    const isWhole = ledgers.every((one) => one.isWhole) && unreadable.count === 0;
    return args.failOnGap && !isWhole ? EXIT_CODES.rulesFailed : EXIT_CODES.ok;
  } finally {
    await log.close();
  }
}

function take(
  record: LogRecord,
  place: string,
  reports: ReadonlyMap<string, LedgerReport>,
  unreadable: Unreadable,
): void {
  if (record.value === null || isFeedback(record.value)) return;
  try {
    const delta = decodeDelta(record.value);
    if (delta.kind === "ledger") reports.get(delta.entry.dataset)?.add(delta.entry);
  } catch (error) {
    if (!(error instanceof StreamgaugeError) || !["SG_CORRUPT", "SG_VERSION"].includes(error.code)) throw error;
    unreadable.count++;
    unreadable.first ??= `${place}: ${error.message}`;
  }
}

function jsonOf(ledgers: readonly DatasetLedger[], unreadable: Unreadable) {
  return {
    isWhole: ledgers.every(({ isWhole }) => isWhole) && unreadable.count === 0,
    datasets: ledgers.map((one) => ({
      dataset: one.dataset,
      isWhole: one.isWhole,
      completeUpTo: timeText(one.completeUpToMs),
      verdict: verdictOf(one),
      counts: one.counts,
      partitions: one.partitions.map(({ range, removed, behind, lastFlushMs, maxEventTimeMs, ...rest }) => ({
        ...rest,
        range: range ?? null,
        removed: removed ?? null,
        behind: behind ?? null,
        lastFlush: timeText(lastFlushMs),
        maxEventTime: timeText(maxEventTimeMs),
      })),
    })),
    unreadable: { count: unreadable.count, first: unreadable.first ?? null },
  };
}

function* linesOf(ledgers: readonly DatasetLedger[], unreadable: Unreadable): Generator<string> {
  for (const one of ledgers) {
    for (const partition of one.partitions) yield* partitionLines(one.dataset, partition);
    const upTo = timeText(one.completeUpToMs);
    const complete = upTo === null ? "not complete up to any time yet" : `complete up to ${upTo}`;
    yield `${printable(one.dataset)}: ${complete}; ${verdictOf(one)}`;
    yield "";
  }
  if (unreadable.count > 0) {
    yield `${number(unreadable.count)} records of the profiles topic cannot be read; the first is ${printable(unreadable.first ?? "")}`;
  }
}

function* partitionLines(dataset: string, of: PartitionLedger): Generator<string> {
  const name = printable(`${dataset}/${of.partition}`);
  const behind = of.behind === undefined ? "not in the topic any more" : `${number(of.behind)} behind the end`;
  if (of.range === undefined) {
    yield `${name}  no entry; ${behind}`;
    return;
  }
  const flushes = `${number(of.flushes)} flushes, the last at ${timeText(of.lastFlushMs)}`;
  const repeats = of.repeats === 0 ? "" : `, ${number(of.repeats)} repeats dropped`;
  yield `${name}  offsets [${of.range.from}, ${of.range.to}), ${behind}; ${flushes}${repeats}`;
  const without = of.withoutRecord === 0 ? "" : `; ${number(of.withoutRecord)} offsets without a record`;
  yield `  ${countsText(of.counts)}${without}`;
  for (const gap of of.gaps.ranges) yield `  never seen: ${rangeText(gap)}`;
  for (const overlap of of.overlaps.ranges) yield `  counted twice: ${rangeText(overlap)}`;
  for (const { from, to } of of.resets) {
    yield `  the topic was created anew: what the old one held from ${from} on is lost; the new one is counted from ${to} on`;
  }
  const more = of.gaps.count - of.gaps.ranges.length + of.overlaps.count - of.overlaps.ranges.length;
  if (more > 0) yield `  and ${number(more)} more`;
  if (of.removed !== undefined) yield `  deleted before they were read: ${rangeText(of.removed)}`;
  for (const offset of of.unbalanced) yield `  the counts of the flush that begins at ${offset} do not add up`;
}

/** One sentence. */
function verdictOf({ partitions, isWhole }: DatasetLedger): string {
  const sum = (figureOf: (partition: PartitionLedger) => number) =>
    partitions.reduce((total, partition) => total + figureOf(partition), 0);
  const behind = number(sum((partition) => partition.behind ?? 0));
  const unheard = partitions.filter(({ range }) => range === undefined).length;
  const silent =
    unheard === 0 ? "" : `, ${number(unheard)} of ${number(partitions.length)} partitions without an entry`;
  if (isWhole) return `every offset was counted once, ${behind} are still to come${silent}`;
  const parts = [
    [sum(({ gaps }) => gaps.offsets), "never seen"],
    [sum(({ overlaps }) => overlaps.offsets), "counted twice"],
    [sum(({ removed }) => (removed === undefined ? 0 : removed.to - removed.from)), "deleted before they were read"],
  ] as const;
  const said = parts.filter(([offsets]) => offsets > 0).map(([offsets, what]) => `${number(offsets)} offsets ${what}`);
  const resets = sum((partition) => partition.resets.length);
  if (resets > 0) said.push(`${number(resets)} partitions of a topic that was created anew`);
  const unbalanced = sum((partition) => partition.unbalanced.length);
  if (unbalanced > 0) said.push(`${number(unbalanced)} flushes whose counts do not add up`);
  return `${said.join(", ")}: the windows touched are partial; ${behind} offsets are still to come${silent}`;
}

function countsText({ consumed, late: _, ...outcomes }: Readonly<LedgerCounts>): string {
  const parts = Object.entries(outcomes).map(([name, count]) => `${name} ${number(count)}`);
  return `consumed ${number(consumed)} = ${parts.join(" + ")}`;
}

function rangeText({ from, to }: OffsetRange): string {
  return `[${from}, ${to}), ${number(to - from)} offsets`;
}

/** null: there is none, as after the end of everything. */
function timeText(timeMs: number | undefined): string | null {
  return timeMs === undefined || Number.isNaN(new Date(timeMs).getTime()) ? null : isoTime(timeMs);
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}
