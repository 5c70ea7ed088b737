/**
 * Checks a tree against the schema and says what is wrong in words: what was expected, what stands there, and what
 * was probably meant.
 */
import type { ErrorObject, ValidateFunction } from "ajv";
import { DURATION_PATTERN, guessDuration, POSITIVE_DURATION_PATTERN, WINDOW_SIZE_PATTERN } from "./duration.ts";
import { nearest } from "./nearest.ts";
import { quoted } from "./quoted.ts";
import { CONFIG_SCHEMA } from "./schema.ts";
import type { KeySchema } from "./schema-parts.ts";
import type { MapNode, Mistake, ScalarNode, TreeNode } from "./yaml-tree.ts";
import { childPath, nodeAt, toValue } from "./yaml-tree.ts";

/** ajv takes 35 ms to load and as much to compile: only commands that read a configuration pay for it. */
let compiled: Promise<ValidateFunction> | undefined;

async function compile(): Promise<ValidateFunction> {
  const { Ajv } = await import("ajv");
  const ajv = new Ajv({ allErrors: true, allowUnionTypes: true, strictRequired: false });
  ajv.addVocabulary(["x-not-yet", "x-replaces"]);
  return ajv.compile(CONFIG_SCHEMA);
}

/**
 * Adds all mistakes of form, and removes from the tree every value that has one, so that what is left may be taken
 * at its word. Where only the other reading of an interpolated value fits, that one is taken.
 */
export async function checkForm(root: MapNode, mistakes: Mistake[]): Promise<void> {
  compiled ??= compile();
  const validate = await compiled;
  let errors = errorsOf(validate, root);
  if (retype(root, errors)) errors = errorsOf(validate, root);

  for (const [pointer, group] of groupByPlace(errors)) {
    const node = nodeAt(root, pointer);
    const schema = schemaAt(pointer);
    if (node === undefined || node.skip === true || schema === undefined) continue;
    const ofKeys = group.filter((error) => KEY_KEYWORDS.has(error.keyword));
    if (ofKeys.length === 0 || group.some((error) => error.keyword === "type")) {
      mistakes.push(wrongValue(node, schema));
      node.skip = true;
      continue;
    }
    mistakes.push(...wrongKeys(node, schema, schemaSegments(pointer), ofKeys));
  }
  prune(root);
}

/** These speak of the keys of a mapping; all others of a value as a whole. */
const KEY_KEYWORDS = new Set(["additionalProperties", "required", "propertyNames"]);

function errorsOf(validate: ValidateFunction, root: MapNode): readonly ErrorObject[] {
  return validate(toValue(root)) ? [] : (validate.errors ?? []);
}

function groupByPlace(errors: readonly ErrorObject[]): Map<string, ErrorObject[]> {
  const groups = new Map<string, ErrorObject[]>();
  for (const error of errors) {
    const group = groups.get(error.instancePath);
    if (group === undefined) groups.set(error.instancePath, [error]);
    else group.push(error);
  }
  return groups;
}

/** Takes the other reading of interpolated values that do not fit. Whether there were any. */
function retype(root: MapNode, errors: readonly ErrorObject[]): boolean {
  const nodes = new Set<ScalarNode>();
  for (const error of errors) {
    const node = nodeAt(root, error.instancePath);
    if (node?.kind === "scalar" && node.otherValue !== undefined) nodes.add(node);
  }
  for (const node of nodes) node.value = node.otherValue ?? null;
  return nodes.size > 0;
}

function prune(node: TreeNode): void {
  if (node.kind === "list") {
    node.items = node.items.filter((item) => item.skip !== true);
    for (const item of node.items) prune(item);
  } else if (node.kind === "map") {
    for (const [key, child] of node.entries) {
      if (child.skip === true) node.entries.delete(key);
      else prune(child);
    }
  }
}

// ---- a value

function wrongValue(node: TreeNode, schema: KeySchema): Mistake {
  const got = shown(node);
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

/** A value in a message. What came in by interpolation may be a secret and is shown as it stands in the file. */
export function shown(node: TreeNode): string {
  if (node.kind === "list") return node.items.length === 0 ? "an empty list" : "a list";
  if (node.kind === "map") return shownMapping(node);
  if (node.source !== undefined) return `what ${quoted(node.source)} stands for`;
  if (node.value === null) return "nothing";
  return typeof node.value === "string" ? quoted(node.value) : String(node.value);
}

function shownMapping(node: MapNode): string {
  const keys = [...node.entries.keys()];
  if (keys.length === 0) return "an empty mapping";
  const more = keys.length > KEYS_SHOWN_MAX ? ", …" : "";
  return `a mapping with ${keys.slice(0, KEYS_SHOWN_MAX).map(quoted).join(", ")}${more}`;
}

const KEYS_SHOWN_MAX = 5;
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
  if (wantsList && schema.items?.type === "string") return ` — put it into a list: ${flow([node.value])}`;
  const guess = guessValue(node.value, schema);
  return guess === undefined ? "" : ` — ${guess}`;
}

function guessValue(value: string | number | boolean | null, schema: KeySchema): string | undefined {
  const forms = [schema, ...(schema.anyOf ?? [])];
  const pattern = forms.find((form) => form.pattern !== undefined)?.pattern;
  const text = String(value);
  if (Object.hasOwn(schema.properties ?? {}, text)) return `write ${text}: with its options below it`;
  const [onlyKey, ...otherKeys] = workingKeys(schema);
  if (onlyKey !== undefined && otherKeys.length === 0) return `write ${flow({ [onlyKey]: value })}`;
  if (pattern !== undefined && DURATION_PATTERNS.has(pattern)) {
    if (/^\d{1,5}$/.test(text) && Number(text) > 0) return `write the unit, as in ${text}${unitOf(schema)}`;
    const guess = guessDuration(text);
    return guess !== undefined && new RegExp(pattern, "u").test(guess) ? `did you mean ${quoted(guess)}?` : undefined;
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

// ---- a key

function wrongKeys(
  node: TreeNode,
  schema: KeySchema,
  segments: readonly string[],
  errors: readonly ErrorObject[],
): Mistake[] {
  const mistakes: Mistake[] = [];
  /** Required keys that are not missing: another key stands for them, or they are there and misspelt. */
  const meant = new Set<string | undefined>();
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    if (node.kind === "map" && node.entries.has(key)) meant.add(child["x-replaces"]);
  }
  for (const { keyword, params } of errors) {
    if (keyword === "required") continue;
    const key = String(keyword === "additionalProperties" ? params.additionalProperty : params.propertyName);
    const child = node.kind === "map" ? node.entries.get(key) : undefined;
    if (child !== undefined) child.skip = true;
    let message = `expected ${schema.propertyNames?.title ?? "another key"}, got ${quoted(key)}`;
    if (keyword === "additionalProperties") {
      meant.add(siblingOf(key, node, schema));
      message = `unknown key ${quoted(key)}${keyHint(key, node, schema, segments)}`;
    }
    mistakes.push({ offset: child?.keyOffset ?? node.offset, path: childPath(node.path, key), message });
  }
  for (const { keyword, params } of errors) {
    if (keyword !== "required" || meant.has(params.missingProperty)) continue;
    mistakes.push(missingKey(node, schema, String(params.missingProperty)));
  }
  return mistakes;
}

function missingKey(node: TreeNode, schema: KeySchema, key: string): Mistake {
  const example = flow(schema.properties?.[key]?.examples?.[0]);
  const message = `the key "${key}" is missing — for example ${key}: ${example}`;
  return { offset: node.keyOffset, path: node.path, message };
}

/** A value as YAML in one line, for a hint. */
function flow(value: unknown): string {
  if (typeof value === "string") return /^\w[\w.:/-]{0,59}$/.test(value) ? value : quoted(value);
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  return `{${Object.entries(value)
    .map(([key, child]) => `${key}: ${flow(child)}`)
    .join(", ")}}`;
}

function keyHint(key: string, node: TreeNode, schema: KeySchema, segments: readonly string[]): string {
  if (key === "<<") return " — merge keys are not YAML 1.2: use an alias for a whole value";
  const sibling = siblingOf(key, node, schema);
  const elsewhere = homeOf(key, segments);
  if (elsewhere !== undefined) {
    return sibling === undefined ? ` — it ${elsewhere}` : ` — did you mean "${sibling}"? or it ${elsewhere}`;
  }
  if (sibling !== undefined) return ` — did you mean "${sibling}"?`;
  const keys = workingKeys(schema);
  const taken = nearest(key, keys);
  if (taken !== undefined) return ` — did you mean "${taken}"? it stands here already`;
  const below = MAPPINGS.filter(
    (home) => home.segments.length === segments.length + 1 && isPrefix(segments, home.segments),
  );
  const cousin = nearest(
    key,
    below.flatMap((home) => workingKeys(home.schema)),
  );
  if (cousin !== undefined) return ` — did you mean "${cousin}"? it ${homeOf(cousin, segments)}`;
  return keys.length === 0 ? " — no keys are expected here" : ` — expected one of ${keys.join(", ")}`;
}

/** The nearest key of the mapping that is still free. */
function siblingOf(key: string, node: TreeNode, schema: KeySchema): string | undefined {
  const taken = node.kind === "map" ? node.entries : new Map<string, TreeNode>();
  return nearest(
    key,
    workingKeys(schema).filter((name) => !taken.has(name)),
  );
}

function workingKeys(schema: KeySchema): string[] {
  return Object.entries(schema.properties ?? {})
    .filter(([, key]) => key["x-not-yet"] === undefined)
    .map(([name]) => name);
}

/** Where a key is valid when not where it stands: `belongs one level down, under "time"`. */
function homeOf(key: string, here: readonly string[]): string | undefined {
  const homes = MAPPINGS.filter(({ schema }) => Object.hasOwn(schema.properties ?? {}, key)).map(
    ({ segments }) => segments,
  );
  const depth = named(here).length;
  const below = homes.find((home) => named(home).length === depth + 1 && isPrefix(here, home));
  if (below !== undefined) return `belongs one level down, under "${named(below).at(-1)}"`;
  const above = homes.find((home) => named(home).length === depth - 1 && isPrefix(home, here));
  if (above !== undefined) return `belongs one level up, beside "${named(here).at(-1)}"`;
  const home = homes[0];
  if (home === undefined) return undefined;
  if (home.length === 0) return "belongs at the top of the file, not indented";
  return `belongs under ${home.join(".").replaceAll(".[]", "[]").replaceAll("{}", "PATH")}`;
}

/** The keys on the way, without list items: what people take for levels. */
function named(segments: readonly string[]): string[] {
  return segments.filter((segment) => segment !== "[]");
}

function isPrefix(short: readonly string[], long: readonly string[]): boolean {
  return short.every((segment, index) => segment === long[index]);
}

interface Mapping {
  readonly segments: readonly string[];
  readonly schema: KeySchema;
}

/** All mappings with fixed keys that work in this version, outer before inner. */
function mappingsOf(schema: KeySchema, segments: readonly string[]): Mapping[] {
  if (schema["x-not-yet"] === true) return [];
  const found: Mapping[] = schema.properties === undefined ? [] : [{ segments, schema }];
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    found.push(...mappingsOf(child, [...segments, key]));
  }
  if (schema.items !== undefined) found.push(...mappingsOf(schema.items, [...segments, "[]"]));
  if (typeof schema.additionalProperties === "object") {
    found.push(...mappingsOf(schema.additionalProperties, [...segments, "{}"]));
  }
  return found;
}

const MAPPINGS = mappingsOf(CONFIG_SCHEMA, []);

// ---- the schema of a place

function schemaAt(pointer: string): KeySchema | undefined {
  let schema: KeySchema | undefined = CONFIG_SCHEMA;
  for (const segment of schemaSegments(pointer)) schema = schemaChild(schema, segment);
  return schema;
}

/** The schema below a key; `[]` for the items of a list, `{}` for the values of a mapping with free keys. */
function schemaChild(schema: KeySchema | undefined, segment: string): KeySchema | undefined {
  if (segment === "[]") return schema?.items;
  if (segment !== "{}")
    return Object.hasOwn(schema?.properties ?? {}, segment) ? schema?.properties?.[segment] : undefined;
  return typeof schema?.additionalProperties === "object" ? schema.additionalProperties : undefined;
}

/** `/datasets/0/time` as `datasets`, `[]`, `time`. */
function schemaSegments(pointer: string): string[] {
  const segments: string[] = [];
  let schema: KeySchema | undefined = CONFIG_SCHEMA;
  for (const escaped of pointer.split("/").slice(1)) {
    const key = escaped.replaceAll("~1", "/").replaceAll("~0", "~");
    let segment = key;
    if (schema?.items !== undefined) segment = "[]";
    else if (!Object.hasOwn(schema?.properties ?? {}, key)) segment = "{}";
    segments.push(segment);
    schema = schemaChild(schema, segment);
  }
  return segments;
}
