/**
 * Which pairs of numbers are looked at: a function of the writer schema and the configuration, never of the data, so that every part
 * of a stream chooses the same.
 *
 * Those that are configured; else pairs that look as if they had one unit: fields of one class, numbers or one kind of time, whose
 * names end in the same word (`dep_delay` and `arr_delay`, `pickedUpAt` and `droppedOffAt`), the first 16 in the order of the schema.
 */
import type { FieldDescriptor } from "../core/column-batch.ts";
import type { PairPaths } from "../core/config.ts";
import { type FieldClass, fieldKey, KIND_STATES } from "./field-kinds.ts";

/** Each makes every event a little dearer. */
const PAIRS_BY_NAME_MAX = 16;

const PAIRED: ReadonlySet<FieldClass> = new Set(["number", "date", "time", "timestamp"]);

/** Indices of two fields of the schema. */
export interface ChosenPair {
  readonly first: number;
  readonly second: number;
}

/** `configured` absent: by their names. Of fields that the schema lacks, or that are no two numbers or times, there is none. */
export function choosePairs(
  fields: readonly FieldDescriptor[],
  configured: readonly PairPaths[] | undefined,
): ChosenPair[] {
  const candidates = fields.flatMap((field, index) =>
    isPairable(field) ? [{ field, index, unit: lastWord(field.path) }] : [],
  );
  if (configured !== undefined) {
    return configured.flatMap(([firstPath, secondPath]) => {
      const seconds = candidates.filter(({ field }) => field.path === secondPath);
      for (const first of candidates.filter(({ field }) => field.path === firstPath)) {
        const second = seconds.find(({ field }) => classOf(field) === classOf(first.field));
        if (second !== undefined) return [{ first: first.index, second: second.index }];
      }
      return [];
    });
  }
  const pairs: ChosenPair[] = [];
  for (const [i, one] of candidates.entries()) {
    for (const other of candidates.slice(i + 1)) {
      if (one.unit !== other.unit || classOf(one.field) !== classOf(other.field)) continue;
      if (keyOf(one.field) === keyOf(other.field)) continue;
      pairs.push(inOrder(fields, one.index, other.index));
      if (pairs.length === PAIRS_BY_NAME_MAX) return pairs;
    }
  }
  return pairs;
}

/** Has one number or time per event. */
export function isPairable(field: FieldDescriptor): boolean {
  return field.level < 0 && PAIRED.has(classOf(field));
}

/** By their keys, so that another order in another schema makes no other pair of them. */
function inOrder(fields: readonly FieldDescriptor[], one: number, other: number): ChosenPair {
  return keyOf(fields[one]!) < keyOf(fields[other]!) ? { first: one, second: other } : { first: other, second: one };
}

function keyOf({ path, kind }: FieldDescriptor): string {
  return fieldKey(path, kind);
}

function classOf({ kind }: FieldDescriptor): FieldClass {
  return KIND_STATES[kind].class;
}

/** `trip.droppedOffAt` → `at`, `dep_delay` → `delay`. */
function lastWord(path: string): string {
  const words = path.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^A-Za-z0-9_.`#]+/g);
  return (words?.at(-1) ?? path).toLowerCase();
}
