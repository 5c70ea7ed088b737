/**
 * Checks a tree against the schema and says what is wrong in words: what was expected, what stands there, and what
 * was probably meant.
 */
import type { ErrorObject, ValidateFunction } from "ajv";
import { nearest } from "../core/nearest.ts";
import { flow, workingKeys, wrongValue } from "./explain-value.ts";
import { quoted } from "./quoted.ts";
import { CONFIG_SCHEMA } from "./schema.ts";
import { type KeySchema, OWN_KEYWORDS } from "./schema-parts.ts";
import { shownKey } from "./shown.ts";
import type { MapNode, Mistake, ScalarNode, TreeNode } from "./yaml-tree.ts";
import { childPath, nodeAt, toValue } from "./yaml-tree.ts";

/** ajv takes 35 ms to load and as much to compile: only commands that read a configuration pay for it. */
let compiled: Promise<ValidateFunction> | undefined;

async function compile(): Promise<ValidateFunction> {
  const { Ajv } = await import("ajv");
  const ajv = new Ajv({ allErrors: true, allowUnionTypes: true, strictRequired: false });
  ajv.addVocabulary([...OWN_KEYWORDS]);
  return ajv.compile(CONFIG_SCHEMA);
}

/**
 * Adds all mistakes of form, and removes from the tree every value that has one, so that what is left may be taken
 * at its word. Where only the other reading of an interpolated value fits, that one is taken. `needed` are keys of the
 * whole file that the command cannot do without, besides those that the schema requires.
 */
export async function checkForm(root: MapNode, needed: readonly string[], mistakes: Mistake[]): Promise<void> {
  compiled ??= compile();
  const validate = await compiled;
  let errors = errorsOf(validate, root);
  if (retype(root, errors)) errors = errorsOf(validate, root);
  errors = [...errors, ...needed.filter((key) => !root.entries.has(key)).map(missingAtTop)];

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
const KEY_KEYWORDS = new Set(["additionalProperties", "required", "propertyNames", "dependencies"]);

function errorsOf(validate: ValidateFunction, root: MapNode): readonly ErrorObject[] {
  if (validate(toValue(root))) return [];
  // "if" only says that its branch failed, which speaks for itself.
  return (validate.errors ?? []).filter((error) => error.keyword !== "if");
}

function missingAtTop(missingProperty: string): ErrorObject {
  return { keyword: "required", instancePath: "", schemaPath: "", params: { missingProperty } };
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
    if (keyword === "required" || keyword === "dependencies") continue;
    const key = String(keyword === "additionalProperties" ? params.additionalProperty : params.propertyName);
    const child = node.kind === "map" ? node.entries.get(key) : undefined;
    if (child !== undefined) child.skip = true;
    const said = shownKey(key, schema);
    let message = `expected ${schema.propertyNames?.title ?? "another key"}, got ${quoted(said.text)}`;
    if (keyword === "additionalProperties") {
      meant.add(Object.hasOwn(schema.properties ?? {}, said.word) ? said.word : siblingOf(said.word, node, schema));
      message = `unknown key ${quoted(said.text)}${said.hint ?? keyHint(key, node, schema, segments)}`;
    }
    mistakes.push({ offset: child?.keyOffset ?? node.offset, path: childPath(node.path, said.text), message });
  }
  const missing = new Map<string, string | undefined>();
  for (const { keyword, params } of errors) {
    const key = String(params.missingProperty);
    if ((keyword !== "required" && keyword !== "dependencies") || meant.has(key) || missing.has(key)) continue;
    missing.set(key, keyword === "dependencies" ? String(params.property) : undefined);
  }
  for (const [key, neededBy] of missing) mistakes.push(missingKey(node, schema, key, neededBy));
  return mistakes;
}

function missingKey(node: TreeNode, schema: KeySchema, key: string, neededBy: string | undefined): Mistake {
  const example = flow(schema.properties?.[key]?.examples?.[0]);
  const beside = neededBy === undefined ? "" : ` beside "${neededBy}"`;
  const message = `the key "${key}" is missing${beside} — for example ${key}: ${example}`;
  return { offset: node.keyOffset, path: node.path, message };
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

/** The key of the mapping that is still free and has this name elsewhere, or else the nearest one. */
function siblingOf(key: string, node: TreeNode, schema: KeySchema): string | undefined {
  const taken = node.kind === "map" ? node.entries : new Map<string, TreeNode>();
  const free = workingKeys(schema).filter((name) => !taken.has(name));
  return free.find((name) => schema.properties?.[name]?.["x-known-as"]?.includes(key)) ?? nearest(key, free);
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
