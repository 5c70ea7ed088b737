/**
 * Text of a value as it may leave: the value policy is applied when the label is made, so that nothing that must not
 * be shown is ever kept in a dictionary.
 */
import type { ValuePolicy } from "../core/config.ts";

export interface LabelPolicy {
  /** Policy of the values of a field. */
  policyOf(path: string): ValuePolicy;
  /** Keyed hash of a value's text, such as `hmac:3f…`, for the policy `hash`. */
  hashLabel(text: string): string;
}

export type Label = string | number | bigint | undefined;

/** Longest text kept, in bytes of UTF-8: 4,096 labels of a field then stay within 1 MB. */
const LABEL_BYTES_MAX = 256;

const DECODER = new TextDecoder();
/** Below 128 a byte is a character. */
const ASCII_END = 0x80;

/** Label of the text in `bytes[start, start + length)`. A longer one than 256 bytes is cut and ends in `…`. */
export function textLabel(
  bytes: Buffer,
  start: number,
  length: number,
  policy: ValuePolicy,
  hashLabel: (text: string) => string,
): string | undefined {
  if (policy === "hide") return undefined;
  if (policy === "hash") return hashLabel(decoded(bytes, start, start + length));
  if (length <= LABEL_BYTES_MAX) return decoded(bytes, start, start + length);
  let end = start + LABEL_BYTES_MAX;
  while (end > start && (bytes[end]! & 0xc0) === 0x80) end--;
  return `${decoded(bytes, start, end)}…`;
}

function decoded(bytes: Buffer, start: number, end: number): string {
  let all = 0;
  for (let i = start; i < end; i++) all |= bytes[i]!;
  // The decoder wants a view, which takes longer than all the rest.
  return all < ASCII_END ? bytes.toString("latin1", start, end) : DECODER.decode(bytes.subarray(start, end));
}

/**
 * Label of a number: shown as it is, else none. A keyed hash of each distinct number would cost more than the whole
 * profile, and nobody reads the top values of a hashed measurement.
 */
export function numberLabel(value: number, policy: ValuePolicy): number | undefined {
  return policy === "show" ? value : undefined;
}

/** As `numberLabel()`, exact beyond 2^53. */
export function longLabel(value: number, lo: number, hi: number, policy: ValuePolicy): number | bigint | undefined {
  if (policy !== "show") return undefined;
  return Number.isSafeInteger(value) ? value : (BigInt(hi) << 32n) | BigInt(lo >>> 0);
}
