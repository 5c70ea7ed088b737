/**
 * A strict reader of both exposition formats, written from their specifications ("Exposition formats" of Prometheus;
 * OpenMetrics 1.0.0, ABNF), not from the writer. It throws at the first thing that a specification does not allow.
 */
import type { ExpositionFormat } from "../../src/sinks/prometheus-text.ts";

export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly unit: string | undefined;
  readonly samples: ParsedSample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|\+Inf|-Inf|NaN)$/;
const SUFFIXES: Readonly<Record<string, Readonly<Record<ExpositionFormat, readonly string[]>>>> = {
  counter: { text: [""], openmetrics: ["_total"] },
  gauge: { text: [""], openmetrics: [""] },
  histogram: { text: ["_bucket", "_sum", "_count"], openmetrics: ["_bucket", "_sum", "_count"] },
};

export function parseExposition(text: string, format: ExpositionFormat): Map<string, ParsedFamily> {
  const families = new Map<string, ParsedFamily>();
  if (text === "" && format === "text") return families;
  check(text.endsWith("\n"), "the last line does not end");
  const lines = text.slice(0, -1).split("\n");
  if (format === "openmetrics") check(lines.pop() === "# EOF", "# EOF is not last");
  let open: { name: string; type?: string; help?: string; unit?: string } | undefined;
  let family: ParsedFamily | undefined;
  for (const line of lines) {
    check(line !== "" && line.trim() === line, `blank or padded line ${JSON.stringify(line)}`);
    if (line.startsWith("#")) {
      const match = /^# (HELP|TYPE|UNIT) ([^ ]+) (.*)$/.exec(line);
      if (match === null) throw new SyntaxError(`not a description: ${line}`);
      const [, kind = "", name = "", rest = ""] = match;
      check(NAME.test(name), `name ${name}`);
      check(kind !== "UNIT" || format === "openmetrics", "UNIT is of OpenMetrics");
      check(family?.name !== name, `${kind} of ${name} after its samples`);
      if (open?.name !== name) {
        check(!families.has(name), `${name} is described twice or in pieces`);
        open = { name };
        family = undefined;
      }
      const field = kind === "HELP" ? "help" : kind === "TYPE" ? "type" : "unit";
      check(open[field] === undefined, `two ${kind} of ${name}`);
      open[field] = kind === "HELP" ? unescaped(rest, format === "openmetrics" ? '\\"n' : "\\n") : rest;
      continue;
    }
    const sample = parseSample(line);
    if (family === undefined) {
      if (open?.type === undefined || open.help === undefined) throw new SyntaxError(`no TYPE and HELP before ${line}`);
      check(Object.hasOwn(SUFFIXES, open.type), `type ${open.type}`);
      family = { name: open.name, type: open.type, help: open.help, unit: open.unit, samples: [] };
      families.set(family.name, family);
    }
    const { name, type } = family;
    check(
      SUFFIXES[type]![format].some((suffix) => sample.name === name + suffix),
      `${sample.name} does not belong to the ${type} ${name}`,
    );
    family.samples.push(sample);
  }
  for (const one of families.values()) checkFamily(one, format);
  return families;
}

function checkFamily({ name, type, unit, samples }: ParsedFamily, format: ExpositionFormat): void {
  const ids = samples.map((sample) => JSON.stringify([sample.name, Object.entries(sample.labels).sort()]));
  check(new Set(ids).size === ids.length, `a series of ${name} comes twice`);
  if (unit !== undefined) check(name.endsWith(`_${unit}`), `${name} does not end with its unit ${unit}`);
  if (type === "counter") {
    check(format === "openmetrics" || name.endsWith("_total"), `${name} is a counter`);
    for (const { value } of samples) check(value >= 0, `${name} is ${value}`);
  }
  if (type === "histogram") checkHistogram(name, samples);
}

/** Bounds ascend, counts too, and the one up to +Inf is `_count`; the lines of one series stand together. */
function checkHistogram(name: string, samples: readonly ParsedSample[]): void {
  const idOf = ({ labels: { le: _, ...own } }: ParsedSample) => JSON.stringify(own);
  for (let at = 0; at < samples.length; at += 2) {
    const id = idOf(samples[at]!);
    const is = (sample: ParsedSample | undefined, suffix: string) =>
      sample?.name === name + suffix && idOf(sample) === id;
    let [bound, count] = [Number.NEGATIVE_INFINITY, 0];
    for (; is(samples[at], "_bucket"); at++) {
      const { labels, value } = samples[at]!;
      const le = labels.le ?? "";
      check(/^\d+\.\d+$|^\+Inf$|e/.test(le), `bound ${le} is not a float as OpenMetrics writes it`);
      const next = parseNumber(le);
      check(next > bound && value >= count, `${name} le=${le} ${value} after ${bound} ${count}`);
      [bound, count] = [next, value];
    }
    check(bound === Number.POSITIVE_INFINITY, `${name} has no bucket up to +Inf`);
    check(is(samples[at], "_sum") && is(samples[at + 1], "_count"), `${name} has no sum and count`);
    check(samples[at + 1]!.value === count, `${name}_count is not that of all buckets`);
  }
}

function parseSample(line: string): ParsedSample {
  const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line)?.[0] ?? "";
  check(name !== "", `no name in ${line}`);
  let at = name.length;
  const labels: Record<string, string> = Object.create(null);
  if (line[at] === "{") {
    at++;
    for (;;) {
      const head = /^([a-zA-Z_][a-zA-Z0-9_]*)="/.exec(line.slice(at));
      if (head === null) throw new SyntaxError(`no label at ${at} of ${line}`);
      at += head[0].length;
      const end = endOfQuoted(line, at);
      check(labels[head[1]!] === undefined, `label ${head[1]} twice`);
      labels[head[1]!] = unescaped(line.slice(at, end), '\\"n');
      at = end + 1;
      if (line[at] === "}") break;
      check(line[at] === ",", `no comma at ${at} of ${line}`);
      at++;
    }
    at++;
  }
  check(line[at] === " ", `no blank before the value of ${line}`);
  return { name, labels, value: parseNumber(line.slice(at + 1)) };
}

function endOfQuoted(line: string, from: number): number {
  for (let at = from; at < line.length; at++) {
    if (line[at] === "\\") at++;
    else if (line[at] === '"') return at;
  }
  throw new SyntaxError(`a label value does not end in ${line}`);
}

function unescaped(text: string, allowed: string): string {
  return text.replace(/\\(.?)/gsu, (_, character: string) => {
    check(character !== "" && allowed.includes(character), `escape \\${character}`);
    return character === "n" ? "\n" : character;
  });
}

function parseNumber(text: string): number {
  check(NUMBER.test(text), `number ${text}`);
  return text.endsWith("Inf") ? (text.startsWith("-") ? -1 : 1) * Number.POSITIVE_INFINITY : Number(text);
}

function check(holds: boolean, message: string): void {
  if (!holds) throw new SyntaxError(message);
}
