/** YAML text → Config, or one error with every mistake and its place. */
import { readFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import type { Config } from "../core/config.ts";
import { printable } from "../core/text.ts";
import type { ConfigProblem } from "./config-error.ts";
import { ConfigError, sortProblems } from "./config-error.ts";
import type { Mistake, YamlTree } from "./yaml-tree.ts";

export type ConfigCommand = "run" | "doctor" | "ledger" | "validate" | "replay" | "demo" | "profile";

export interface LoadOptions {
  /** The whole file; a byte order mark and CRLF are fine. */
  readonly text: string;
  /** Its name: stands in messages, and other files are found relative to it. */
  readonly file: string;
  /** For `${VAR}`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * Decides what is needed and what is the default: `run` and `doctor` need `kafka` and `registry`, `validate` gives a
   * notice without them, the others do not use them; `replay`, `demo` and `profile` show values of fields, the others
   * hash them.
   */
  readonly command: ConfigCommand;
  /** Text of another file. @default from the disk, at most 1 MB */
  readonly readFile?: (name: string) => string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** What is right but has no effect, such as `kafka` in a replay, and what other commands would miss. */
  readonly notices: readonly ConfigProblem[];
}

/** A configuration is a page or two; what is larger is another file. */
const FILE_BYTES_MAX = 1_000_000;

/** Commands whose output stays with whoever runs them. */
const SHOWING: ReadonlySet<ConfigCommand> = new Set(["replay", "demo", "profile"]);

/** @throws {ConfigError} with all mistakes, sorted by place. */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const { file } = options;
  const text = options.text.replace(/^\ufeff/, "");
  const located = (mistakes: readonly Mistake[]) => locate(file, text, mistakes);
  const mistakes: Mistake[] = [];
  if (Buffer.byteLength(text) > FILE_BYTES_MAX) {
    const message = "larger than 1 MB: a configuration is a page or two of text";
    throw new ConfigError(file, located([{ offset: 0, path: "", message }]));
  }
  // The YAML parser takes 40 ms to load: only commands that read a configuration pay for it.
  const { parseYaml } = await import("./yaml-tree.ts");
  const tree = parseYaml(text);
  const root = mappingOf(tree, mistakes);
  if (root === undefined) throw new ConfigError(file, located(mistakes));

  const readNamed = options.readFile ?? readTextFile;
  const readFile = (name: string) => readNamed(isAbsolute(name) ? name : join(dirname(file), name));
  const { interpolate } = await import("./interpolate.ts");
  const { neededKeys, noticesOf, refuseNotYet } = await import("./not-yet.ts");
  const { checkForm } = await import("./explain.ts");
  const { buildConfig } = await import("./build-config.ts");
  refuseNotYet(root, mistakes);
  interpolate(root, { env: options.env, readFile }, mistakes);
  await checkForm(root, neededKeys(options.command), mistakes);
  const valuesDefault = SHOWING.has(options.command) ? "show" : "hash";
  const config = buildConfig(root, { valuesDefault, readFile }, mistakes);
  if (mistakes.length > 0) throw new ConfigError(file, located(mistakes));
  return { config, notices: located(noticesOf(root, options.command)) };
}

/** Reads the file, too. @throws {ConfigError} also when there is no such file, or when it is not UTF-8. */
export async function loadConfigFile(options: Omit<LoadOptions, "text">): Promise<LoadedConfig> {
  let text: string;
  try {
    text = (options.readFile ?? readTextFile)(options.file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `cannot read the configuration: ${reason}`;
    throw new ConfigError(options.file, [{ file: options.file, line: 0, column: 0, path: "", message }]);
  }
  return loadConfig({ ...options, text });
}

function readTextFile(name: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(name);
  } catch (error) {
    throw new Error(readFailure(error), { cause: error });
  }
  if (bytes.length > FILE_BYTES_MAX) throw new Error("it is larger than 1 MB");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Error("it is not UTF-8 text", { cause: error });
  }
}

function readFailure(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
      return "there is no such file";
    case "EISDIR":
      return "it is a directory";
    case "EACCES":
      return "permission denied";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

function mappingOf(tree: YamlTree, mistakes: Mistake[]) {
  mistakes.push(...tree.mistakes);
  if (tree.root?.kind === "map") return tree.root;
  if (mistakes.length === 0) {
    const got = { scalar: "one value", list: "a list", map: "" }[tree.root?.kind ?? "scalar"];
    const state = tree.root === undefined ? "but the file is empty" : `got ${got}`;
    const message = `expected a mapping with the key "datasets", ${state} — for example datasets: [{topic: trips}]`;
    mistakes.push({ offset: tree.root?.offset ?? 0, path: "", message });
  }
  return undefined;
}

/** Offsets → lines and columns, sorted. A place behind the last character is that of the last character's end. */
function locate(file: string, text: string, mistakes: readonly Mistake[]): ConfigProblem[] {
  const end = text.trimEnd().length;
  const lineStarts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) lineStarts.push(at + 1);
  return sortProblems(
    mistakes.map(({ offset, path, message }) => {
      const at = Math.min(offset, end);
      const line = lineStarts.findLastIndex((start) => start <= at) + 1;
      return { file, line, column: at - lineStarts[line - 1]! + 1, path, message: printable(message) };
    }),
  );
}
