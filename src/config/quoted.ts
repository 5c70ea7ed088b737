/** Text from a file in a message for people: short, and without characters that would move a terminal's cursor. */

const LENGTH_MAX = 60;
/** Control characters, and those that hide text or turn its direction. */
const UNPRINTABLE = /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** In double quotes, escaped as in JSON; cut after 60 characters. */
export function quoted(text: string): string {
  return printable(JSON.stringify(text.length > LENGTH_MAX ? `${text.slice(0, LENGTH_MAX)}…` : text));
}

/** Characters that a terminal would act on become `\uXXXX`. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
