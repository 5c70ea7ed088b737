/** Names of an inferred schema: what a file calls its fields → names that Avro allows. */

export interface InferredField {
  readonly name: string;
  /** Only where it differs from `name`: what the file calls it. */
  readonly sourceName?: string;
  readonly type: unknown;
}

/** Namespace of every inferred record. */
export const INFERRED_NAMESPACE = "streamgauge.input";

/**
 * Every character that is not an ASCII letter, digit or `_` becomes `_`; a digit in front gets a `_` before it; of
 * names that become equal the later ones get `_2`, `_3` …
 */
export class AvroNames {
  readonly #taken = new Set<string>();

  take(sourceName: string): string {
    const base = sourceName.replaceAll(/[^A-Za-z0-9_]/g, "_").replace(/^(?=\d|$)/, "_");
    let name = base;
    for (let number = 2; this.#taken.has(name); number++) name = `${base}_${number}`;
    this.#taken.add(name);
    return name;
  }
}

export function inferredField(names: AvroNames, sourceName: string, type: unknown): InferredField {
  const name = names.take(sourceName);
  return name === sourceName ? { name, type } : { name, sourceName, type };
}

export function inferredSchema(fields: readonly InferredField[]): string {
  return JSON.stringify({ type: "record", name: "Event", namespace: INFERRED_NAMESPACE, fields });
}
