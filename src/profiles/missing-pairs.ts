/** Configured pairs that no schema has, and why: a name that is misspelt would else stay unnoticed for ever. */
import type { FieldDescriptor } from "../core/column-batch.ts";
import type { PairPaths } from "../core/config.ts";
import { nearest } from "../core/nearest.ts";
import { choosePairs, isPairable } from "./pair-choice.ts";

export interface MissingPair {
  readonly pair: PairPaths;
  /** Such as `no field "faer" (nearest: "fare")`. */
  readonly why: string;
}

/** Those of `pairs` that none of these schemas has. */
export function missingPairs(
  schemas: readonly (readonly FieldDescriptor[])[],
  pairs: readonly PairPaths[],
): MissingPair[] {
  return pairs
    .filter((pair) => !schemas.some((fields) => hasPair(fields, pair)))
    .map((pair) => ({ pair, why: whyMissing(schemas.flat(), pair) }));
}

export function hasPair(fields: readonly FieldDescriptor[], pair: PairPaths): boolean {
  return choosePairs(fields, [pair]).length > 0;
}

/** `fields` of all schemas. */
function whyMissing(fields: readonly FieldDescriptor[], pair: PairPaths): string {
  const reasons = pair.flatMap((path) => whyNoSide(fields, path) ?? []);
  if (reasons.length > 0) return reasons.join(", ");
  const kinds = pair.map((path) => `"${path}" is ${fields.find((field) => field.path === path)?.kind}`);
  return `no schema has both as two numbers, or as two times of one kind: ${kinds.join(", ")}`;
}

/** `undefined`: it could be the side of a pair. */
function whyNoSide(fields: readonly FieldDescriptor[], path: string): string | undefined {
  const found = fields.filter((field) => field.path === path);
  if (found.some(isPairable)) return undefined;
  if (found[0] !== undefined) return `"${path}" is ${found[0].kind}, and no number or time`;
  const close = nearest(
    path,
    fields.filter(isPairable).map((field) => field.path),
  );
  return close === undefined ? `no field "${path}"` : `no field "${path}" (nearest: "${close}")`;
}
