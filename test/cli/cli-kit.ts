/** What the tests of the commands share: a folder of files, an `Io` that keeps what was said, and outputs read back. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Io } from "../../src/cli/io.ts";
import { type ReplayArgs, replay } from "../../src/cli/replay.ts";
import { StreamgaugeError } from "../../src/core/errors.ts";
import type { AlertRecord, MetricsRecord, VerdictRecord } from "../../src/core/verdict.ts";

export class CommandFolder {
  readonly path = mkdtempSync(join(tmpdir(), "streamgauge-cli-"));
  #outputs = 0;

  /** Writes a file, gzipped when its name ends in `.gz`. */
  write(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name);
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    writeFileSync(path, name.endsWith(".gz") ? gzipSync(bytes) : bytes);
    return path;
  }

  /** A directory that does not exist yet. */
  newOutput(): string {
    this.#outputs++;
    return join(this.path, `out-${this.#outputs}`);
  }

  /** A folder of its own, for files that must have the same name as others. */
  folder(name: string): string {
    const path = join(this.path, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Runs a command in this process; its error, if it ends with one, is returned and not thrown. */
export async function runCommand(
  command: (io: Io) => Promise<number>,
  env: Record<string, string> = {},
): Promise<{ exitCode: number; stdout: string[]; stderr: string[]; error: unknown }> {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const io: Io = {
    stdout: (line) => void stdout.push(line),
    stderr: (line) => void stderr.push(line),
    env,
    terminal: undefined,
  };
  try {
    return { exitCode: await command(io), stdout, stderr, error: undefined };
  } catch (error) {
    return { exitCode: error instanceof StreamgaugeError ? error.exitCode : 4, stdout, stderr, error };
  }
}

/** Code and message of an error that a command ended with. */
export function failureOf(run: { readonly error: unknown }): { code: string; message: string } {
  if (run.error instanceof StreamgaugeError) return { code: run.error.code, message: run.error.message };
  if (run.error !== undefined) throw run.error;
  throw new Error("the command ended without an error");
}

export interface ReplayRun {
  readonly exitCode: number;
  readonly stdout: string[];
  readonly stderr: string[];
  readonly error: unknown;
  readonly out: string;
  /** Text of the three files, by name. */
  readonly files: Readonly<Record<string, string>>;
  readonly metrics: readonly MetricsRecord[];
  readonly verdicts: readonly VerdictRecord[];
  readonly alerts: readonly AlertRecord[];
}

export async function runReplay(
  folder: CommandFolder,
  config: string,
  inputs: readonly string[],
  more: Partial<ReplayArgs> & { readonly env?: Record<string, string> } = {},
): Promise<ReplayRun> {
  const out = more.out ?? folder.newOutput();
  const file = folder.write("streamgauge.yaml", config);
  const feedback = more.feedback === undefined ? {} : { feedback: more.feedback };
  const args: ReplayArgs = { inputs, config: file, out, json: more.json ?? false, ...feedback };
  const run = await runCommand((io) => replay(args, io), more.env);
  const files: Record<string, string> = {};
  const isDirectory = existsSync(out) && statSync(out).isDirectory();
  for (const name of isDirectory ? readdirSync(out).sort() : []) files[name] = readFileSync(join(out, name), "utf8");
  return {
    ...run,
    out,
    files,
    metrics: jsonLines(files["metrics.jsonl"]),
    verdicts: jsonLines(files["verdicts.jsonl"]),
    alerts: jsonLines(files["alerts.jsonl"]),
  };
}

export function jsonLines<T>(text = ""): T[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}
