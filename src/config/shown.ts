/** How what stands in the file appears in a message: short, printable, and without secrets. */
import { quoted } from "./quoted.ts";
import type { KeySchema, SecretForm } from "./schema-parts.ts";
import type { MapNode, TreeNode } from "./yaml-tree.ts";

/** Stands for what must not be read by others. */
export const MASK = "***";

/** A value that is no secret. What came in by interpolation may be one and is shown as it stands in the file. */
export function shown(node: TreeNode): string {
  return shownAs(node, undefined);
}

/** A value of the key that `schema` describes. */
export function shownOf(node: TreeNode, schema: KeySchema): string {
  return shownAs(node, schema["x-secret"]);
}

function shownAs(node: TreeNode, form: SecretForm | undefined): string {
  if (node.kind === "list") return node.items.length === 0 ? "an empty list" : "a list";
  if (node.kind === "map") return form === "value" && node.entries.size > 0 ? "a mapping" : shownMapping(node);
  if (node.source !== undefined) {
    // The name of a variable or a file is no secret; text around it, or its default, may be one.
    const text =
      form === undefined || /^\$\{(?:file:)?[\w./-]+\}$/.test(node.source) ? node.source : masked(node.source, form);
    return text === MASK ? MASK : `what ${quoted(text)} stands for`;
  }
  if (node.value === null) return "nothing";
  const text = masked(String(node.value), form);
  return typeof node.value === "string" && text !== MASK ? quoted(text) : text;
}

/** Whether the whole value may stand in a message. */
export function isShown(value: string | number | boolean, schema: KeySchema): boolean {
  return masked(String(value), schema["x-secret"]) === String(value);
}

function masked(text: string, form: SecretForm | undefined): string {
  switch (form) {
    case undefined:
      return text;
    case "value":
      return MASK;
    case "word":
      return /^[\w./-]{1,40}$/.test(text) ? text : MASK;
    case "url":
      return maskUrl(text);
    default:
      return form satisfies never;
  }
}

/** An address without user, password and query; also of text that is no proper URL. */
export function maskUrl(text: string): string {
  return (
    text
      // Up to the last @, because a password may hold one that ought to have been escaped.
      .replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, `$1${MASK}@`)
      // What stands for a port and is none: a password whose host was forgotten.
      .replace(/^((?:[a-z][a-z0-9+.-]*:\/\/)?[^/:@[\]]+:)(?!\/\/|\d{1,5}(?:[/?#]|$)).+$/is, `$1${MASK}`)
      .replace(/[?#].*$/s, `?${MASK}`)
  );
}

/** The last key of places that hold secrets, or URLs that may: for what is found before a schema is looked at. */
export const SECRET_NAMES = ["password", "token", "clientSecret", "key", "passphrase", "url", "tokenUrl"] as const;

/** Whether `path`, such as `kafka.sasl.password`, ends in such a key. */
export function namesSecret(path: string): boolean {
  return (SECRET_NAMES as readonly string[]).includes(path.slice(path.lastIndexOf(".") + 1));
}

const KEYS_SHOWN_MAX = 5;

function shownMapping(node: MapNode): string {
  const keys = [...node.entries.keys()];
  if (keys.length === 0) return "an empty mapping";
  const more = keys.length > KEYS_SHOWN_MAX ? ", …" : "";
  const named = keys.slice(0, KEYS_SHOWN_MAX).map((key) => quoted(/[:@]/.test(key) ? wordOf(key) + MASK : key));
  return `a mapping with ${named.join(", ")}${more}`;
}

/** A key of the mapping that `schema` describes: without the space after its colon, a key has swallowed its value. */
export function shownKey(key: string, schema: KeySchema): { word: string; text: string; hint?: string } {
  const word = wordOf(key);
  if (schema["x-secret"] === undefined || word === key || key === "<<") return { word: key, text: key };
  return { word, text: word + MASK, hint: key[word.length] === ":" ? " — write a space after the colon" : "" };
}

function wordOf(key: string): string {
  return /^[\w-]{0,40}/.exec(key)?.[0] ?? "";
}
