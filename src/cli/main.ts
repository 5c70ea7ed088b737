#!/usr/bin/env node
/** Command line: arguments in, exit code out. Commands are loaded when called, so that `--help` stays fast. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { VERSION } from "../config/version.ts";
import { EXIT_CODES, StreamgaugeError } from "../core/errors.ts";
import { type Io, processIo, tolerateClosedPipes } from "./io.ts";

/** Most rows per season or warm-up, as in the configuration. */
const MAX_COUNT = 10_000;

const program = new Command("streamgauge")
  .description("Tells you that the data on a Kafka topic went bad, before its users find out, and which field did it.")
  .version(VERSION)
  .exitOverride()
  .showHelpAfterError("(--help shows what is possible)");

program
  .command("demo")
  .description("the whole pipeline on bundled real data, with four planted faults")
  .option("--once", "end when the data ends")
  .option("--out <dir>", "write metrics.jsonl, verdicts.jsonl and alerts.jsonl into this directory")
  .option("--json", "alerts as JSON lines instead of the table")
  .action(async (options: { once?: boolean; out?: string; json?: boolean }) => {
    const { demo } = await import("./demo.ts");
    await finish((io) => demo({ json: options.json === true, ...(options.out ? { out: options.out } : {}) }, io));
  });

program
  .command("run")
  .description("the sidecar: watches the topics of a configuration on your own Kafka")
  .requiredOption("-c, --config <file>", "configuration")
  .option("--json", "accepted for symmetry: the log is always JSON lines")
  .action(async (options: { config: string }) => {
    const { run } = await import("./run.ts");
    await finish((io) => run({ config: options.config }, io));
    // A client library may keep a socket open that nobody waits for any more.
    process.exit(process.exitCode);
  });

program
  .command("doctor")
  .description("try everything that run needs: brokers, registry, topics, permissions, and what would be refused")
  .requiredOption("-c, --config <file>", "configuration")
  .option("--json", "the findings as one JSON object")
  .action(async (options: { config: string; json?: boolean }) => {
    const { doctor } = await import("./doctor.ts");
    await finish((io) => doctor({ config: options.config, json: options.json === true }, io));
    process.exit(process.exitCode);
  });

const state = program
  .command("state")
  .description("what the judge keeps of each dataset, and how to make it begin anew");
state
  .command("ls")
  .description("what is kept, how large it is, and where the judge stands")
  .requiredOption("-c, --config <file>", "configuration")
  .option("--json", "as one JSON object")
  .action(async (options: { config: string; json?: boolean }) => {
    const { listState } = await import("./state.ts");
    await finish((io) => listState({ config: options.config, json: options.json === true }, io));
    process.exit(process.exitCode);
  });
state
  .command("show")
  .description("what the detector has learned of a dataset")
  .argument("<dataset>")
  .argument("[key]", "one series, such as 86400000|all")
  .requiredOption("-c, --config <file>", "configuration")
  .option("--json", "as one JSON object")
  .action(async (dataset: string, key: string | undefined, options: { config: string; json?: boolean }) => {
    const { showState } = await import("./state.ts");
    const args = { config: options.config, json: options.json === true, dataset };
    await finish((io) => showState(key === undefined ? args : { ...args, key }, io));
    process.exit(process.exitCode);
  });
state
  .command("reset")
  .description("drop what was learned; only while no judge of the deployment runs")
  .argument("[dataset]")
  .requiredOption("-c, --config <file>", "configuration")
  .option("--all", "of every dataset")
  .option("--yes", "do it; without, only say what would be dropped, and end with 2")
  .option("--json", "as one JSON object")
  .action(
    async (dataset: string | undefined, options: { config: string; all?: boolean; yes?: boolean; json?: boolean }) => {
      const { resetStates } = await import("./state.ts");
      const { config } = options;
      const [all, yes, json] = [options.all === true, options.yes === true, options.json === true];
      const args = { config, all, yes, json };
      await finish((io) => resetStates(dataset === undefined ? args : { ...args, dataset }, io));
      process.exit(process.exitCode);
    },
  );

program
  .command("ledger")
  .description("up to where every partition is counted: offsets never seen, counted twice, still to come")
  .requiredOption("-c, --config <file>", "configuration")
  .addOption(new Option("--fail-on <what>", "exit with 1 when offsets are missing or twice").choices(["gap"]))
  .option("--json", "the ledger as one JSON object")
  .action(async (options: { config: string; failOn?: "gap"; json?: boolean }) => {
    const { ledger } = await import("./ledger.ts");
    const failOnGap = options.failOn === "gap";
    await finish((io) => ledger({ config: options.config, json: options.json === true, failOnGap }, io));
    process.exit(process.exitCode);
  });

program
  .command("feedback")
  .description("say what an incident was: a fault, expected, or the new normal; the judge learns from it")
  .argument("<incident>", "its id, as in the alerts")
  .addArgument(new Argument("<what>", "fault | expected | new-normal").choices(["fault", "expected", "new-normal"]))
  .requiredOption("-c, --config <file>", "configuration")
  .option("--note <text>", "why; it stands in the alert that answers")
  .option("--by <name>", "who says so (default: the user of the operating system)")
  .option("--json", "what was written as one JSON object")
  .action(
    async (
      incident: string,
      what: "fault" | "expected" | "new-normal",
      options: { config: string; note?: string; by?: string; json?: boolean },
    ) => {
      const { feedback } = await import("./feedback.ts");
      const { json, ...given } = options;
      await finish((io) => feedback({ ...given, incident, feedback: what, json: json === true }, io));
      process.exit(process.exitCode);
    },
  );

program
  .command("replay")
  .description("the same stages over recorded files (Avro containers, JSON lines, CSV; .gz of each)")
  .argument("<input...>", "files, merged by event time")
  .requiredOption("-c, --config <file>", "configuration")
  .requiredOption("--out <dir>", "write metrics.jsonl, verdicts.jsonl and alerts.jsonl into this directory")
  .option(
    "--feedback <file>",
    "what people said of incidents: JSON lines, each with the event time at which it was said",
  )
  .option("--json", "the summary as one JSON object")
  .action(async (inputs: string[], options: { config: string; out: string; feedback?: string; json?: boolean }) => {
    const { replay } = await import("./replay.ts");
    await finish((io) => replay({ inputs, ...options, json: options.json === true }, io));
  });

const DETECT_HELP = `
The file is CSV (UTF-8, or UTF-16 with its mark; .gz of it), with a header and at least 3 rows.
  time    growing, each once: ISO dates or timestamps (UTC where they name no zone), or numbers;
          any other text only counts rows. Rows may be missing: the season goes on over them
  cells   numbers with a point, such as -12.5 or 1e3. Missing: empty, NA, NaN, null, none.
          Infinity, 1,234.5, 5% and what is beyond 1.8e308 are refused, with line and column;
          beyond 1e30 a value is as far out as 1e30
  columns at most 100,000. Each has its own forecast; the principal components take the 512 that
          changed in the most rows. 100,000 columns of 60 rows take 80 s and 1.7 GB
`;

program
  .command("detect")
  .description("the detector over any metric matrix: one JSON line per row")
  .argument("<metrics.csv>", "first column time, then one column per metric; empty = missing")
  .option("--season <n>", "rows per season", parseCount)
  .option("--warmup <n>", "rows before the first verdict", parseCount)
  .option("--false-alarms <budget>", 'how many false alarms are tolerated, such as "1 per 30"')
  .option("--json", "accepted for symmetry: the output is always JSON lines")
  .addHelpText("after", DETECT_HELP)
  .action(async (file: string, options: { season?: number; warmup?: number; falseAlarms?: string }) => {
    const { detect } = await import("./detect.ts");
    await finish((io) => detect({ file, ...options }, io));
  });

const profile = program.command("profile").description("profile files, without a detector");
profile
  .command("write", { isDefault: true })
  .description("write profile files (the default)")
  .argument("<input...>", "files, merged by event time")
  .requiredOption("--out <dir>", "write one .profile per window into this directory")
  .option("--time-field <path>", "event time; without it there is one window")
  .option("--window <size>", "window size, such as 1h or 1d", "1d")
  .option("--json", "the list of files as one JSON object")
  .action(async (inputs: string[], options: { out: string; timeField?: string; window: string; json?: boolean }) => {
    const { writeProfiles } = await import("./profile.ts");
    await finish((io) => writeProfiles({ inputs, ...options, json: options.json === true }, io));
  });
profile
  .command("show")
  .description("print a .profile file")
  .argument("<file>")
  .option("--json", "as one JSON object")
  .action(async (file: string, options: { json?: boolean }) => {
    const { showProfile } = await import("./profile.ts");
    await finish((io) => showProfile({ file, json: options.json === true }, io));
  });

program
  .command("validate")
  .description("check a configuration file")
  .requiredOption("-c, --config <file>", "configuration")
  .option("--json", "the result as one JSON object")
  .action(async (options: { config: string; json?: boolean }) => {
    const { validate } = await import("./validate.ts");
    await finish((io) => validate({ config: options.config, json: options.json === true }, io));
  });

/** What the running command does at the first signal. */
let drain: (() => void) | undefined;

/** Runs a command and sets the exit code; what a user can mend is one line, without a stack. */
async function finish(command: (io: Io) => Promise<number>): Promise<void> {
  const io = processIo((listener) => {
    drain = listener;
  });
  try {
    process.exitCode = await command(io);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Says what went wrong; the exit code. */
function report(error: unknown): number {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  if (error instanceof StreamgaugeError) {
    say(error.message);
    return error.exitCode;
  }
  if (isSystemError(error)) say(`Cannot go on: ${error.message}`);
  else say(`Internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return EXIT_CODES.internal;
}

/** Of the operating system, such as a full disk: its message names the call and the file. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "syscall" in error;
}

function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > MAX_COUNT) {
    throw new InvalidArgumentError(`expected a whole number from 1 to ${MAX_COUNT}`);
  }
  return value;
}

/** The first signal lets a command that asked for it write what it has; any other ends at once. */
let interrupts = 0;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    interrupts++;
    if (interrupts > 1 || drain === undefined) process.exit(EXIT_CODES.interrupted);
    drain();
  });
}

tolerateClosedPipes();
/** Without this Node would end with 1, which means that rules failed. */
process.on("uncaughtException", (error) => process.exit(report(error)));

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT_CODES.ok : EXIT_CODES.configuration;
}
