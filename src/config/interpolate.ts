/**
 * `${VAR}`, `${VAR:-default}`, `${VAR:?why}`, `${file:NAME}` in values, after parsing: never in keys or comments, and
 * what is put in is text, never YAML. `$${` stands for `${`.
 *
 * A value without quotes becomes a number or a boolean when its text is one; a quoted one stays text. Whoever reads
 * the value may take the other of the two (`otherValue`) where only that one fits: inside `{ }` quotes are needed
 * around `${…}`, and a name such as `2024` is text in every place that wants a name.
 */
import { quoted } from "./quoted.ts";
import { MASK, namesSecret } from "./shown.ts";
import type { Mistake, ScalarNode, TreeNode } from "./yaml-tree.ts";

export interface Interpolation {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Text of a file by the name that stands in the configuration; throws when it cannot be read. */
  readonly readFile: (name: string) => string;
}

/** Replaces in place. A value with a mistake in it keeps its text and is skipped from then on. */
export function interpolate(node: TreeNode, sources: Interpolation, mistakes: Mistake[]): void {
  if (node.skip === true) return;
  if (node.kind === "list") {
    for (const item of node.items) interpolate(item, sources, mistakes);
  } else if (node.kind === "map") {
    for (const child of node.entries.values()) interpolate(child, sources, mistakes);
  } else if (typeof node.value === "string" && node.value.includes("${")) {
    interpolateScalar(node, node.value, sources, mistakes);
  }
}

/** `$${`, or `${` with what stands before the next `}`; without one, the rest of the text. */
const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g;

function interpolateScalar(node: ScalarNode, source: string, sources: Interpolation, mistakes: Mistake[]): void {
  const problems: string[] = [];
  let replacedCount = 0;
  const said = (text: string) => (namesSecret(node.path) ? MASK : quoted(text));
  const text = source.replaceAll(REFERENCE, (whole: string, reference: string | undefined, close: string) => {
    if (reference === undefined) return "${";
    replacedCount++;
    const result = close === "" ? { problem: `the } of ${said(whole)} is missing` } : resolve(reference, sources, said);
    if ("problem" in result) problems.push(result.problem);
    return "text" in result ? result.text : "";
  });
  for (const message of problems) mistakes.push({ offset: node.offset, path: node.path, message });
  if (problems.length > 0) {
    node.skip = true;
    return;
  }
  if (replacedCount === 0) {
    node.value = text;
    return;
  }
  const typed = readPlain(text);
  node.source = source;
  node.value = node.plain ? typed : text;
  if (typed !== text) node.otherValue = node.plain ? text : typed;
}

type Resolved = { readonly text: string } | { readonly problem: string };

const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::([-?])([\s\S]*))?$/;

function resolve(reference: string, sources: Interpolation, said: (text: string) => string): Resolved {
  if (reference.startsWith("file:")) return resolveFile(reference.slice("file:".length), sources);
  const match = VARIABLE.exec(reference);
  if (match === null) {
    return {
      problem: `cannot read ${said(`\${${reference}}`)}: expected \${NAME}, \${NAME:-default}, \${NAME:?why} or \${file:NAME} — write $\${ for the text \${`,
    };
  }
  const [, name = "", operator, rest = ""] = match;
  const value = Object.hasOwn(sources.env, name) ? sources.env[name] : undefined;
  if (operator === "-") return { text: value === undefined || value === "" ? rest : value };
  if (operator === "?" && (value === undefined || value === "")) {
    return { problem: `the environment variable ${name} is not set: ${rest === "" ? "it is needed here" : rest}` };
  }
  if (value !== undefined) return { text: value };
  return { problem: `the environment variable ${name} is not set — set it, or write \${${name}:-default}` };
}

function resolveFile(name: string, sources: Interpolation): Resolved {
  if (name === "") return { problem: "expected the name of a file after file:" };
  try {
    // Editors and secret stores end files with a line feed that is no part of the value.
    return { text: sources.readFile(name).replace(/\r?\n$/, "") };
  } catch (error) {
    return {
      problem: `cannot read the file ${quoted(name)}: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

/** A plain scalar of the YAML 1.2 core schema. */
function readPlain(text: string): string | number | boolean | null {
  if (/^(?:~|null|Null|NULL)?$/.test(text)) return null;
  if (/^(?:true|True|TRUE)$/.test(text)) return true;
  if (/^(?:false|False|FALSE)$/.test(text)) return false;
  if (/^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$/.test(text)) return Number(text);
  if (/^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(text)) return Number(text);
  return text;
}
