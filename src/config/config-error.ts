/** What is wrong with a configuration file: every mistake with its place, in one error. */
import { StreamgaugeError } from "../core/errors.ts";

/** A sentence about one place of the file. */
export interface ConfigProblem {
  /** As the user named it. */
  readonly file: string;
  /** From 1; 0 when there is no file to have lines. */
  readonly line: number;
  /** From 1, in UTF-16 units as editors count; a byte order mark does not count; 0 with line 0. */
  readonly column: number;
  /** Such as `datasets[0].windows.sizes[1]`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** Thrown by `loadConfig`; `problems` holds all mistakes that were found, in order of their position. */
export class ConfigError extends StreamgaugeError {
  readonly problems: readonly ConfigProblem[];

  constructor(file: string, problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? "1 mistake" : `${problems.length} mistakes`;
    super("SG_CONFIG", `Cannot use configuration ${file}: ${count}\n${problems.map(formatProblem).join("\n")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** `streamgauge.yaml:14:7 datasets[0].windows.sizes[1]: expected …` */
export function formatProblem(problem: ConfigProblem): string {
  const { file, line, column, path, message } = problem;
  if (line === 0) return `${file}: ${message}`;
  return `${file}:${line}:${column} ${path === "" ? "" : `${path}: `}${message}`;
}

/** By line, then column; problems of one place keep their order. */
export function sortProblems(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
}
