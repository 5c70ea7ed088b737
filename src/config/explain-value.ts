/** What is wrong with a value, in words: what was expected, what stands there, and what was probably meant. */
import { nearest } from "../core/nearest.ts";
import {
  DURATION_PATTERN,
  guessDuration,
  POSITIVE_DURATION_PATTERN,
  START_FROM_PATTERN,
  WINDOW_SIZE_PATTERN,
} from "./duration.ts";
import { quoted } from "./quoted.ts";
import type { KeySchema } from "./schema-parts.ts";
import { isShown, shownOf } from "./shown.ts";
import type { Mistake, TreeNode } from "./yaml-tree.ts";

export function wrongValue(node: TreeNode, schema: KeySchema): Mistake {
  const got = shownOf(node, schema);
  return {
    offset: node.offset,
    path: node.path,
    message: `expected ${expectation(schema)}, got ${got}${valueHint(node, schema)}`,
  };
}

function expectation(schema: KeySchema): string {
  if (schema.title !== undefined) return schema.title;
  return `a mapping with ${workingKeys(schema).join(", ")}`;
}

const DURATION_PATTERNS = new Set([DURATION_PATTERN, POSITIVE_DURATION_PATTERN, WINDOW_SIZE_PATTERN]);

function valueHint(node: TreeNode, schema: KeySchema): string {
  const wantsList = schema.type === "array";
  const wantsMapping = schema.properties !== undefined || schema.additionalProperties !== undefined;
  if (node.kind !== "scalar") {
    const several = node.kind === "map" && node.entries.size > 1;
    return schema.maxProperties === 1 && several ? ' — begin each item with "- "' : "";
  }
  if (node.value === null) return wantsList || wantsMapping ? " — indent what belongs to it" : "";
  if (node.source !== undefined) return "";
  if (!isShown(node.value, schema)) return typeof node.value === "string" ? "" : " — put it into quotes";
  if (wantsList && schema.items?.type === "string") return ` — put it into a list: ${flow([node.value])}`;
  const guess = guessValue(node.value, schema);
  return guess === undefined ? "" : ` — ${guess}`;
}

function guessValue(value: string | number | boolean | null, schema: KeySchema): string | undefined {
  const forms = [schema, ...(schema.anyOf ?? [])];
  const pattern = forms.find((form) => form.pattern !== undefined)?.pattern;
  const text = String(value);
  if (Object.hasOwn(schema.properties ?? {}, text)) return `write ${text}: with its options below it`;
  const keys = workingKeys(schema);
  const [onlyKey, ...otherKeys] =
    keys.length === 1 ? keys : keys.filter((key) => schema.properties?.[key]?.enum?.includes(value));
  if (onlyKey !== undefined && otherKeys.length === 0) return `write ${flow({ [onlyKey]: value })}`;
  if (pattern !== undefined && DURATION_PATTERNS.has(pattern)) {
    if (/^\d{1,5}$/.test(text) && Number(text) > 0) return `write the unit, as in ${text}${unitOf(schema)}`;
    const guess = guessDuration(text);
    return guess !== undefined && new RegExp(pattern, "u").test(guess) ? `did you mean ${quoted(guess)}?` : undefined;
  }
  if (pattern === START_FROM_PATTERN) {
    const guess = `-${guessDuration(text.replace(/^-/, "")) ?? ""}`;
    if (new RegExp(pattern, "u").test(guess)) return `did you mean ${quoted(guess)}?`;
  }
  if (typeof value === "number" || typeof value === "boolean") {
    const asText = forms.some((form) => form.type === "string" && new RegExp(form.pattern ?? "", "u").test(text));
    return asText ? `put it into quotes: ${quoted(text)}` : undefined;
  }
  if (forms.some((form) => form.type === "integer") && /^\d{1,9}$/.test(text)) return `without quotes: ${text}`;
  const words = forms.flatMap((form) => form.enum ?? (form.const === undefined ? [] : [form.const]));
  const word = nearest(text, words.filter((candidate) => typeof candidate === "string") as string[]);
  return word === undefined ? undefined : `did you mean ${quoted(word)}?`;
}

/** Of the example: the unit that such values mostly have. */
function unitOf(schema: KeySchema): string {
  return String(schema.examples?.[0]).replace(/^\d+/, "");
}

/** A value as YAML in one line, for a hint. */
export function flow(value: unknown): string {
  if (typeof value === "string") return /^\w[\w.:/-]{0,59}$/.test(value) ? value : quoted(value);
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  return `{${Object.entries(value)
    .map(([key, child]) => `${key}: ${flow(child)}`)
    .join(", ")}}`;
}

/** Keys of a mapping that work in this version. */
export function workingKeys(schema: KeySchema): string[] {
  return Object.entries(schema.properties ?? {})
    .filter(([, key]) => key["x-not-yet"] === undefined)
    .map(([name]) => name);
}
