/** Why a record is not simply `valid`. Each reason is its own counter and its own metric. */

/** The record cannot be turned into fields. */
export const UNDECODABLE_REASONS = [
  /** Value of zero bytes. */
  "empty",
  /** One to four bytes: no room for the wire header. */
  "short_header",
  "wrong_magic",
  /** The registry does not know the id. */
  "schema_unknown",
  /** The registry knows it, but the schema is one that its format forbids or that is beyond the limits. */
  "schema_refused",
  /** The bytes end before the record does. */
  "truncated",
  "trailing_bytes",
  /** A length or count that the bytes left, or the caps, do not allow. */
  "length_refused",
  "too_deep",
  /** A varint over 10 bytes (5 for int), a union or enum index out of range, a boolean neither 0 nor 1. */
  "malformed",
] as const;

/** Decoded and profiled, but not as it should be. */
export const INVALID_REASONS = ["invalid_utf8", "time_missing"] as const;

/** Only counted: not errors of the record's bytes. */
export const COUNTED_REASONS = ["tombstone", "future"] as const;

export type UndecodableReason = (typeof UNDECODABLE_REASONS)[number];
export type InvalidReason = (typeof INVALID_REASONS)[number];
export type CountedReason = (typeof COUNTED_REASONS)[number];
export type ViolationReason = UndecodableReason | InvalidReason | CountedReason;

export const VIOLATION_REASONS: readonly ViolationReason[] = [
  ...UNDECODABLE_REASONS,
  ...INVALID_REASONS,
  ...COUNTED_REASONS,
];
