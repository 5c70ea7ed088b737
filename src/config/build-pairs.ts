/** `pairs` of a dataset. What a field is can be told only where the configuration holds the schema; else the events decide. */
import type { PairPaths } from "../core/config.ts";
import { nearest } from "../core/nearest.ts";
import { choosePairs, isPairable } from "../profiles/pair-choice.ts";
import { createAvroReader } from "../schemas/avro-reader.ts";
import { mistake, textOf } from "./read-tree.ts";
import { shown } from "./shown.ts";
import type { Mistake, TreeNode } from "./yaml-tree.ts";

/** `schema` is good; absent: not in the configuration. */
export function buildPairs(
  node: TreeNode | undefined,
  schema: string | undefined,
  mistakes: Mistake[],
): PairPaths[] | undefined {
  if (node?.kind !== "list") return undefined;
  const fields = schema === undefined ? undefined : createAvroReader(schema).fields;
  const firsts = new Map<string, TreeNode>();
  return node.items.flatMap((item) => {
    const [firstNode, secondNode] = item.kind === "list" ? item.items : [];
    const [first, second] = [textOf(firstNode), textOf(secondNode)];
    // Of another form, which was told of already.
    if (firstNode === undefined || secondNode === undefined || first === undefined || second === undefined) return [];
    const found = mistakes.length;
    for (const side of [firstNode, secondNode]) {
      checkOnePerEvent(side, "a pair", mistakes);
      if (fields !== undefined) checkPairable(side, fields, mistakes);
    }
    if (first === second) mistakes.push(mistake(secondNode, `expected another field than ${shown(firstNode)}`));
    const key = [first, second].sort().join(" ");
    const known = firsts.get(key);
    if (known === undefined) firsts.set(key, item);
    else mistakes.push(mistake(item, `the pair is that of ${known.path} already`));
    if (mistakes.length > found || fields === undefined) return [[first, second] as const];
    if (choosePairs(fields, [[first, second]]).length === 0) {
      mistakes.push(mistake(item, "expected two numbers, two dates, two times of day or two timestamps"));
    }
    return [[first, second] as const];
  });
}

/** A list or map below the field has many values in one event. */
export function checkOnePerEvent(node: TreeNode, what: string, mistakes: Mistake[]): void {
  // Inside backticks brackets are letters of a name.
  const bare = (textOf(node) ?? "").replaceAll(/`(?:[^`]|``)*`/g, "x");
  if (/\[\]|\{\}/.test(bare)) {
    mistakes.push(
      mistake(node, `expected a field with one value per event for ${what}, got the elements of ${shown(node)}`),
    );
  }
}

function checkPairable(
  node: TreeNode,
  fields: ReturnType<typeof createAvroReader>["fields"],
  mistakes: Mistake[],
): void {
  const path = textOf(node) ?? "";
  if (fields.some((field) => field.path === path && isPairable(field))) return;
  const kinds = fields.filter((field) => field.path === path).map(({ kind }) => kind);
  if (kinds.length > 0) {
    mistakes.push(mistake(node, `expected a field of numbers or times, got ${shown(node)}, which is ${kinds[0]}`));
    return;
  }
  const close = nearest(
    path,
    fields.filter(isPairable).map((field) => field.path),
  );
  const hint = close === undefined ? "" : ` — did you mean "${close}"?`;
  mistakes.push(mistake(node, `the schema has no field ${shown(node)}${hint}`));
}
