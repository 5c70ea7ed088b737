/** UTF-8 both ways, shared because each construction of an encoder costs more than a short text. */
const ENCODER = new TextEncoder();
/** A leading U+FEFF is part of the text: two values that differ by it are two values. */
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

export function utf8(text: string): Uint8Array {
  return ENCODER.encode(text);
}

/** Text of UTF-8 bytes; what is not UTF-8 becomes U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  return DECODER.decode(bytes);
}

/** ISO 8601 UTC with milliseconds: the form of every time in an output. */
export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
