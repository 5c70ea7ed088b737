/** The parts of a profile that do not depend on how the events were split, as bytes; and those that nearly do not. */
import type { Profile } from "../../src/profiles/profile.ts";
import { ByteWriter } from "../../src/sketches/bytes.ts";

export function exactParts(profile: Profile): unknown {
  const fields = [...profile.fields].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    counts: profile.counts(),
    bytes: profile.bytes,
    violations: new Map([...profile.violations].sort()),
    schemas: new Map([...profile.schemaRows].sort((a, b) => a[0] - b[0])),
    otherSchemaRows: profile.otherSchemaRows,
    valuesLeftOut: profile.valuesLeftOut,
    contents: bytesOf(profile.contents),
    patterns: bytesOf(profile.patterns),
    pairs: profile.pairs.list().map(({ first, second, class: fieldClass, state }) => [
      [first, second, fieldClass, state.count, state.correlation()],
      [state.gaps.count, state.gaps.min, state.gaps.max],
    ]),
    lag: [profile.lag.count, profile.lag.min, profile.lag.max],
    fields: fields.map(([key, field]) => [
      key,
      field.kind,
      field.level,
      [field.values, field.nulls, field.nan, field.posInfinity, field.negInfinity, field.zero, field.negative],
      [field.nonInteger, bytesOf(field.shapes?.totalCount ? field.shapes : undefined), bytesOf(field.sample)],
      [field.empty, field.trues, field.elements, profile.expected(field), profile.missing(field)],
      [field.minimum, field.maximum, field.lengths?.min, field.lengths?.max, field.lengths?.sum],
      [field.moments?.count, field.quantiles?.count, field.quantiles?.min, field.quantiles?.max],
      bytesOf(field.range),
      bytesOf(field.dictionary),
      bytesOf(field.distinct),
      field.frequent?.totalWeight,
      bytesOf(field.histogram),
    ]),
  };
}

function bytesOf(state: { write(writer: ByteWriter): void } | undefined): string | undefined {
  if (state === undefined) return undefined;
  const writer = new ByteWriter();
  state.write(writer);
  return writer.finish().join(",");
}
