/** Text from a file in a message for people: short, and without characters that would move a terminal's cursor. */
import { printable } from "../core/text.ts";

const LENGTH_MAX = 60;

/** In double quotes, escaped as in JSON; cut after 60 characters. */
export function quoted(text: string): string {
  return printable(JSON.stringify(text.length > LENGTH_MAX ? `${text.slice(0, LENGTH_MAX)}…` : text));
}
