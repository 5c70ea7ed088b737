/** UTF-8 both ways, shared because each construction of an encoder costs more than a short text. */
const ENCODER = new TextEncoder();
/** A leading U+FEFF is part of the text: two values that differ by it are two values. */
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

export function utf8(text: string): Uint8Array {
  return ENCODER.encode(text);
}

/** Control characters, and those that hide text or turn its direction. */
const UNPRINTABLE = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** For a terminal: characters that it would act on, or that would hide or turn text, become `\uXXXX`. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Text of UTF-8 bytes; what is not UTF-8 becomes U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  return DECODER.decode(bytes);
}

/** ISO 8601 UTC with milliseconds: the form of every time in an output. */
export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
