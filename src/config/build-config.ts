/**
 * A tree of the right form → Config: defaults, units, and the rules that span several values. Values with a mistake
 * of form are no longer in the tree; the Config is good only when no mistake was found at all.
 */
import type {
  AlertsConfig,
  Config,
  DatasetConfig,
  DetectConfig,
  FalseAlarms,
  FieldConfig,
  SliceByConfig,
  StartFrom,
  TimeConfig,
  ValuePolicy,
  WindowsConfig,
} from "../core/config.ts";
import type { Impact } from "../core/severity.ts";
import { topicNames } from "../core/topics.ts";
import { schemaProblem } from "../schemas/schema-problem.ts";
import { buildCalendar } from "./build-calendar.ts";
import { buildKafka, buildRegistry } from "./build-connections.ts";
import { buildPairs, checkOnePerEvent } from "./build-pairs.ts";
import { buildSeverity } from "./build-severity.ts";
import { buildSinks } from "./build-sinks.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { checkDistinct, child, durationAt, mapAt, mapsOf, mistake, numberAt, textAt, textOf } from "./read-tree.ts";
import { shown } from "./shown.ts";
import type { MapNode, Mistake, TreeNode } from "./yaml-tree.ts";
import { toValue } from "./yaml-tree.ts";
import { checkedTimezone } from "./zone.ts";

export interface BuildOptions {
  /** For fields that are not named. */
  readonly valuesDefault: ValuePolicy;
  /** Text of a file by the name that stands in the configuration; throws when it cannot be read. */
  readonly readFile: (name: string) => string;
}

export function buildConfig(root: MapNode, options: BuildOptions, mistakes: Mistake[]): Config {
  const prefix = textAt(mapAt(root, "topics"), "prefix") ?? "streamgauge.";
  const datasets = mapsOf(child(root, "datasets"));
  checkTopics(datasets, prefix, mistakes);
  const kafka = buildKafka(mapAt(root, "kafka"), mistakes);
  const registry = buildRegistry(mapAt(root, "registry"), mistakes);
  return {
    deployment: textAt(root, "deployment") ?? "default",
    ...(kafka === undefined ? {} : { kafka }),
    ...(registry === undefined ? {} : { registry }),
    topics: { prefix },
    startFrom: buildStart(textAt(root, "startFrom")),
    checkpointEveryMs: durationAt(root, "checkpointEvery") ?? 30_000,
    alerts: buildAlerts(mapAt(root, "alerts"), mistakes),
    datasets: datasets.map((node) => buildDataset(node, options, mistakes)),
    sinks: buildSinks(mapsOf(child(root, "sinks")), mistakes),
  };
}

function buildAlerts(node: MapNode | undefined, mistakes: Mistake[]): AlertsConfig {
  const severity = buildSeverity(mapAt(node, "severity"), mistakes);
  return { resolveAfter: numberAt(node, "resolveAfter") ?? 1, ...(severity === undefined ? {} : { severity }) };
}

function buildStart(text: string | undefined): StartFrom {
  if (text === "earliest" || text === undefined) return text ?? "latest";
  const agoMs = text.startsWith("-") ? parseDuration(text.slice(1)) : undefined;
  return agoMs === undefined ? "latest" : { agoMs };
}

function buildDataset(node: MapNode, options: BuildOptions, mistakes: Mistake[]): DatasetConfig {
  const quarantine = textAt(mapAt(node, "quarantine"), "topic");
  const schema = buildSchema(child(node, "schema"), options, mistakes);
  const pairs = buildPairs(child(node, "pairs"), schema, mistakes);
  const impact = textAt(node, "impact") as Impact | undefined;
  const producerHeader = textAt(node, "producerHeader");
  return {
    topic: textAt(node, "topic") ?? "",
    ...(impact === undefined ? {} : { impact }),
    time: buildTime(mapAt(node, "time"), mistakes),
    windows: buildWindows(mapAt(node, "windows"), mistakes),
    slices: buildSlices(mapsOf(child(node, "slices")), mistakes),
    fields: buildFields(mapAt(node, "fields")),
    valuesDefault: options.valuesDefault,
    ...(pairs === undefined ? {} : { pairs }),
    detect: buildDetect(mapAt(node, "detect"), mistakes),
    ...(quarantine === undefined ? {} : { quarantine: { topic: quarantine } }),
    ...(producerHeader === undefined ? {} : { producerHeader }),
    flushEveryMs: durationAt(node, "flushEvery") ?? 5_000,
    ...(schema === undefined ? {} : { schema }),
  };
}

function buildTime(node: MapNode | undefined, mistakes: Mistake[]): TimeConfig {
  const field = child(node, "field");
  if (field !== undefined) checkOnePerEvent(field, "the time of an event", mistakes);
  const path = textOf(field);
  const reviseForMs = durationAt(node, "reviseFor");
  return {
    ...(path === undefined ? {} : { field: path }),
    latenessMs: durationAt(node, "lateness") ?? 120_000,
    idleAfterMs: durationAt(node, "idleAfter") ?? 60_000,
    unheardAfterMs: durationAt(node, "unheardAfter") ?? 300_000,
    maxAheadMs: durationAt(node, "maxAhead") ?? 3_600_000,
    ...(reviseForMs === undefined ? {} : { reviseForMs }),
  };
}

function buildWindows(node: MapNode | undefined, mistakes: Mistake[]): WindowsConfig {
  const timezone = checkedTimezone(child(node, "timezone"), mistakes);
  const list = child(node, "sizes");
  if (list?.kind !== "list") return { sizesMs: [3_600_000], timezone };
  const sizes = list.items
    .map((item) => ({ item, sizeMs: parseDuration(textOf(item)) ?? 0 }))
    .sort((a, b) => a.sizeMs - b.sizeMs);
  const kept: typeof sizes = [];
  for (const size of sizes) {
    const smaller = kept.at(-1);
    if (smaller?.sizeMs === size.sizeMs) {
      mistakes.push(mistake(size.item, `${shown(size.item)} is the same size as ${shown(smaller.item)}`));
    } else if (smaller !== undefined && size.sizeMs % smaller.sizeMs !== 0) {
      const next = formatDuration(Math.ceil(size.sizeMs / smaller.sizeMs) * smaller.sizeMs);
      mistakes.push(
        mistake(
          size.item,
          `expected a multiple of the next smaller size ${formatDuration(smaller.sizeMs)}, of which windows are put together, got ${shown(size.item)} — for example ${next}`,
        ),
      );
    } else {
      kept.push(size);
    }
  }
  return { sizesMs: kept.map((size) => size.sizeMs), timezone };
}

function buildSlices(nodes: readonly MapNode[], mistakes: Mistake[]): SliceByConfig[] {
  checkDistinct(
    nodes.map((node) => child(node, "name") ?? child(node, "by")),
    "slice name",
    mistakes,
  );
  return nodes.map((node) => {
    const byNode = child(node, "by");
    // A slice without `by` is one with `where`, which was refused, or has a mistake of its own.
    if (byNode !== undefined) checkOnePerEvent(byNode, "the value of a slice", mistakes);
    const by = textOf(byNode) ?? "";
    return { by, name: textAt(node, "name") ?? by, limit: numberAt(node, "limit") ?? 50 };
  });
}

function buildFields(node: MapNode | undefined): DatasetConfig["fields"] {
  const fields = new Map<string, FieldConfig>();
  for (const [path, field] of node?.entries ?? []) {
    if (field.kind !== "map") continue;
    const values = textAt(field, "values") as ValuePolicy | undefined;
    const impact = textAt(field, "impact") as Impact | undefined;
    if (values === undefined && impact === undefined) continue;
    fields.set(path, { ...(values === undefined ? {} : { values }), ...(impact === undefined ? {} : { impact }) });
  }
  return fields;
}

function falseAlarmsOf(budget: string): FalseAlarms {
  const [count, span] = budget.split(" per ");
  return { count: Number(count), perMs: parseDuration(span) ?? 0 };
}

function buildDetect(node: MapNode | undefined, mistakes: Mistake[]): DetectConfig {
  const calendar = buildCalendar(child(node, "calendar"), mistakes);
  const budget = textOf(child(node, "falseAlarms"));
  return {
    season: numberAt(node, "season") ?? "auto",
    warmup: numberAt(node, "warmup") ?? "auto",
    ...(budget === undefined ? {} : { falseAlarms: falseAlarmsOf(budget) }),
    ...(calendar === undefined ? {} : { calendar }),
  };
}

/** The schema's text: of the file, or of the block that stands in the configuration. */
function buildSchema(node: TreeNode | undefined, options: BuildOptions, mistakes: Mistake[]): string | undefined {
  if (node === undefined) return undefined;
  if (node.kind !== "scalar") return checkedSchema(JSON.stringify(toValue(node)), "the schema", node, mistakes);
  const name = textOf(node) ?? "";
  if (/^\s*[[{"]/.test(name)) return checkedSchema(name, "the schema", node, mistakes);
  let text: string;
  try {
    text = options.readFile(name);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    mistakes.push(mistake(node, `cannot read the schema file ${shown(node)}: ${reason}`));
    return undefined;
  }
  return checkedSchema(text, `the schema file ${shown(node)}`, node, mistakes);
}

function checkedSchema(text: string, subject: string, node: TreeNode, mistakes: Mistake[]): string | undefined {
  try {
    JSON.parse(text);
  } catch {
    mistakes.push(mistake(node, `expected JSON as Avro schemas are written, but ${subject} is not JSON`));
    return undefined;
  }
  const problem = schemaProblem(text);
  if (problem === undefined) return text;
  mistakes.push(mistake(node, `${subject} cannot be used: ${problem}`));
  return undefined;
}

// ---- rules that span several values

function checkTopics(datasets: readonly MapNode[], prefix: string, mistakes: Mistake[]): void {
  const topics = datasets.map((dataset) => child(dataset, "topic"));
  checkDistinct(topics, "topic", mistakes);
  const own = new Set<string>(Object.values(topicNames(prefix)));
  const inputs = new Map(topics.map((topic) => [textOf(topic), topic]));
  for (const dataset of datasets) {
    const topic = child(dataset, "topic");
    if (topic !== undefined && own.has(textOf(topic) ?? "")) {
      mistakes.push(mistake(topic, `${shown(topic)} is a topic that streamgauge writes — change topics.prefix`));
    }
    const refused = child(mapAt(dataset, "quarantine"), "topic");
    const input = inputs.get(textOf(refused));
    if (refused !== undefined && input !== undefined) {
      mistakes.push(
        mistake(refused, `expected another topic than ${input.path}: refused records would be read again without end`),
      );
    } else if (refused !== undefined && own.has(textOf(refused) ?? "")) {
      mistakes.push(mistake(refused, `${shown(refused)} is a topic that streamgauge writes for something else`));
    }
  }
}
