/** The command line as a process: exit codes, what goes to which stream, signals and readers that leave. */
import { execFile, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VERSION } from "../../src/config/version.ts";
import { EXIT_CODES } from "../../src/core/errors.ts";
import { buildCommand } from "./built-command.ts";
import { CommandFolder } from "./cli-kit.ts";
import { asCsv, makeTrips, TRIP_SCHEMA } from "./trips.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COMMANDS = ["demo", "run", "doctor", "state", "ledger", "feedback", "replay", "detect", "profile", "validate"];
const TRIPS = makeTrips({ seed: 81, count: 600, everyMs: 600_000 });
const GOOD = "datasets: [{ topic: trips, time: { field: at }, windows: { sizes: [1d] } }]\n";

let folder: CommandFolder;
let main = "";
beforeAll(() => {
  folder = new CommandFolder();
  main = buildCommand(folder.folder("package"));
  folder.write("good.yaml", GOOD);
  folder.write("trips.csv", asCsv(TRIPS));
  folder.write(
    "metrics.csv",
    `day,a,b\n${Array.from({ length: 400 }, (_, row) => `${row},${row % 7},${row % 5}`).join("\n")}\n`,
  );
});
afterAll(() => folder.remove());

interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function streamgauge(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd: folder.path, env: { ...process.env, ...env }, maxBuffer: 1 << 28 };
    const child = execFile(process.execPath, [main, ...args], options, (_error, stdout, stderr) => {
      resolve({ exitCode: child.exitCode, stdout, stderr });
    });
  });
}

/** A line or a few, no stack, nothing of Node's own. */
function expectShort(stderr: string): void {
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stderr).not.toMatch(/Internal error|node:|Unhandled|Error:/);
  expect(stderr.endsWith("\n")).toBe(true);
  expect(stderr.trimEnd().split("\n").length).toBeLessThanOrEqual(7);
}

describe("streamgauge", () => {
  test("--help and help list the commands on standard output and exit with 0", async () => {
    for (const args of [["--help"], ["help"]]) {
      const { exitCode, stdout, stderr } = await streamgauge(args);
      expect([exitCode, stderr]).toEqual([0, ""]);
      const listed = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name);
      expect(listed).toEqual([...COMMANDS, "help"]);
    }
  });

  test("--version prints the version of the package and exits with 0", async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
    for (const flag of ["--version", "-V"]) {
      expect(await streamgauge([flag])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: "" });
    }
    expect(VERSION).toBe(version);
  });

  test("every command has a help of its own, with its options", async () => {
    const options: Record<string, string[]> = {
      demo: ["--once", "--out", "--json"],
      replay: ["--config", "--out", "--json"],
      detect: ["--season", "--warmup", "--json"],
      "profile write": ["--out", "--time-field", "--window", "--json"],
      "profile show": ["--json"],
      validate: ["--config", "--json"],
    };
    for (const [command, names] of Object.entries(options)) {
      const { exitCode, stdout } = await streamgauge([...command.split(" "), "--help"]);
      expect(exitCode).toBe(0);
      for (const name of names) expect(stdout, command).toContain(name);
    }
    const { stdout } = await streamgauge(["profile", "--help"]);
    expect(stdout).toMatch(/^ {2}write /m);
    expect(stdout).toMatch(/^ {2}show /m);
  });

  test.each([
    ["no command", [], /^Usage: streamgauge/],
    ["an unknown command", ["replya"], /^error: unknown command 'replya'\n(\(Did you mean replay\?\)\n)?/],
    ["an unknown option", ["demo", "--onec"], /^error: unknown option '--onec'\n\(Did you mean --once\?\)\n/],
    ["an option without its value", ["demo", "--out"], /^error: option '--out <dir>' argument missing/],
    [
      "a required option left out",
      ["replay", "trips.csv", "--out", "o"],
      /^error: required option '-c, --config <file>'/,
    ],
    ["no input", ["replay", "-c", "good.yaml", "--out", "o"], /^error: missing required argument 'input'/],
    ["an argument too many", ["validate", "-c", "good.yaml", "more"], /^error: too many arguments/],
    ["a season of 0", ["detect", "metrics.csv", "--season", "0"], /expected a whole number from 1 to 10000/],
    [
      "a season that no memory holds",
      ["detect", "metrics.csv", "--season", "1e9"],
      /expected a whole number from 1 to 10000/,
    ],
    [
      "a warm-up that is no number",
      ["detect", "metrics.csv", "--warmup", "auto"],
      /expected a whole number from 1 to 10000/,
    ],
    [
      "a budget that is none",
      ["detect", "metrics.csv", "--false-alarms", "few"],
      /^--false-alarms: expected a budget such as "1 per 30"/,
    ],
  ] as const)("%s: exit code 2, said on standard error", async (_what, args, said) => {
    const { exitCode, stdout, stderr } = await streamgauge(args);
    expect([exitCode, stdout]).toEqual([EXIT_CODES.configuration, ""]);
    expect(stderr).toMatch(said);
    if (args.length > 0) expectShort(stderr);
  });

  test("does what it is asked, exit code 0, standard error empty", async () => {
    const calls: readonly (readonly string[])[] = [
      ["validate", "-c", "good.yaml"],
      ["replay", "-c", "good.yaml", "trips.csv", "--out", "replayed"],
      ["detect", "metrics.csv"],
      ["profile", "trips.csv", "--time-field", "at", "--out", "profiled"],
      ["profile", "write", "trips.csv", "--out", "profiled"],
      ["profile", "show", join("profiled", "trips.all.profile")],
    ];
    for (const args of calls) {
      const { exitCode, stdout, stderr } = await streamgauge(args);
      expect([exitCode, stderr], args.join(" ")).toEqual([0, ""]);
      expect(stdout, args.join(" ")).not.toBe("");
    }
    expect(readdirSync(join(folder.path, "replayed")).sort()).toEqual([
      "alerts.jsonl",
      "metrics.jsonl",
      "verdicts.jsonl",
    ]);
  });

  test("--json is one JSON object on standard output, or one per line", async () => {
    const calls: readonly (readonly [number, readonly string[]])[] = [
      [1, ["validate", "-c", "good.yaml", "--json"]],
      [1, ["replay", "-c", "good.yaml", "trips.csv", "--out", "replayed", "--json"]],
      [400, ["detect", "metrics.csv", "--json"]],
      [1, ["profile", "trips.csv", "--out", "profiled", "--json"]],
      [1, ["profile", "show", join("profiled", "trips.all.profile"), "--json"]],
    ];
    for (const [count, args] of calls) {
      const { exitCode, stdout } = await streamgauge(args);
      expect(exitCode).toBe(0);
      const lines = stdout.trimEnd().split("\n");
      expect(lines, args.join(" ")).toHaveLength(count);
      for (const line of lines) expect(JSON.parse(line)).toBeTypeOf("object");
    }
  });
});

describe("exit code 2 for what the user can mend: one line, no stack", () => {
  const schema = JSON.stringify({ ...TRIP_SCHEMA, name: "string" });
  const FILES: Readonly<Record<string, string>> = {
    "timeless.yaml": "datasets: [{ topic: trips }]\n",
    "forbidden.yaml": `datasets:\n  - topic: trips\n    time: { field: at }\n    schema: ${JSON.stringify(schema)}\n`,
    "text.profile": "no profile",
    "cut.csv": asCsv(TRIPS).slice(0, -12),
  };
  test.each([
    [
      "a configuration that is not there",
      ["replay", "-c", "gone.yaml", "trips.csv", "--out", "o"],
      /gone\.yaml: cannot read the configuration: there is no such file/,
    ],
    [
      "no time.field",
      ["replay", "-c", "timeless.yaml", "trips.csv", "--out", "o"],
      /^timeless\.yaml: datasets\[0\]\.time\.field: needed by replay/,
    ],
    [
      "an input that is not there",
      ["replay", "-c", "good.yaml", "gone.csv", "--out", "o"],
      /^Cannot read gone\.csv: there is no such file$/m,
    ],
    [
      "an input that was cut",
      ["replay", "-c", "good.yaml", "cut.csv", "--out", "o"],
      /^Cannot read cut\.csv:601: expected 4 cells, found \d$/m,
    ],
    [
      "a schema that Avro forbids",
      ["replay", "-c", "forbidden.yaml", "trips.csv", "--out", "o"],
      /^forbidden\.yaml:\d+:\d+ datasets\[0\]\.schema: the schema cannot be used: name: /m,
    ],
    [
      "an output that is a file",
      ["replay", "-c", "good.yaml", "trips.csv", "--out", "trips.csv"],
      /^--out: cannot make the directory trips\.csv: a file is in its place$/m,
    ],
    [
      "demo with an output that is a file",
      ["demo", "--out", "trips.csv"],
      /^--out: cannot make the directory trips\.csv/,
    ],
    [
      "an output where nothing can be made",
      ["demo", "--out", "/dev/null/a/b"],
      /^--out: cannot make the directory \/dev\/null\/a\/b: a file is in its place$/m,
    ],
    [
      "an output below a file system of the kernel",
      ["demo", "--out", "/proc/streamgauge/a/b"],
      /^--out: cannot make the directory \/proc\/streamgauge\/a\/b: /,
    ],
    ["no matrix at all", ["detect", "gone.csv"], /^Cannot read gone\.csv: there is no such file$/m],
    ["no profile", ["profile", "show", "text.profile"], /^Cannot read text\.profile: it is not an Avro container/],
    [
      "a profile that is not there",
      ["profile", "show", "gone.profile"],
      /^Cannot read gone\.profile: there is no such file$/m,
    ],
    [
      "a window size that is none",
      ["profile", "trips.csv", "--time-field", "at", "--window", "1 h", "--out", "o"],
      /^--window: expected whole minutes/,
    ],
  ] as const)("%s", async (_what, args, said) => {
    for (const [name, content] of Object.entries(FILES)) folder.write(name, content);
    const { exitCode, stdout, stderr } = await streamgauge(args);
    expect(stderr).toMatch(said);
    expectShort(stderr);
    expect([exitCode, stdout]).toEqual([EXIT_CODES.configuration, ""]);
    expect(readdirSync(folder.path)).not.toContain("o");
  });

  test("a level of STREAMGAUGE_LOG that does not exist", async () => {
    const args = ["replay", "-c", "good.yaml", "trips.csv", "--out", "leveled"];
    const { exitCode, stderr } = await streamgauge(args, { STREAMGAUGE_LOG: "verbose" });
    expect(exitCode).toBe(EXIT_CODES.configuration);
    expectShort(stderr);
    expect(stderr).toMatch(/^STREAMGAUGE_LOG: expected one of .*, got "verbose"$/m);
    expect(readdirSync(join(folder.path, "leveled"))).toEqual([]);
  });

  test("a configuration with five mistakes: all five, each with line, column and what is right", async () => {
    const text = [
      "deploymnet: prod",
      "datasets:",
      "  - topik: trips",
      "    time: { feild: at, lateness: 2 minutes }",
      "    windows: { sizes: [1h], timezone: Europe/Berlim }",
      "",
    ].join("\n");
    folder.write("five.yaml", text);
    const said = [
      ["1:1", "deployment"],
      ["3:5", "topic"],
      ["4:13", "field"],
      ["4:34", "2m"],
      ["5:39", "Europe/Berlin"],
    ];
    for (const args of [
      ["validate", "-c", "five.yaml"],
      ["replay", "-c", "five.yaml", "trips.csv", "--out", "o"],
    ]) {
      const { exitCode, stdout, stderr } = await streamgauge(args);
      expect([exitCode, stdout]).toEqual([EXIT_CODES.configuration, ""]);
      const mistake = /^five\.yaml:(\d+:\d+) .* — did you mean "(.*)"\?$/gm;
      expect([...stderr.matchAll(mistake)].map(([, place, right]) => [place, right])).toEqual(said);
      expect(stderr).toMatch(/\b5 mistakes\n/);
      expectShort(stderr);
    }
  });
});

describe("other exit codes", () => {
  test("2 for a file that cannot be written, without a stack", async () => {
    // The name of a file that is about to be written is taken by a directory.
    mkdirSync(join(folder.path, "taken", "metrics.jsonl.part"), { recursive: true });
    const { exitCode, stderr } = await streamgauge(["replay", "-c", "good.yaml", "trips.csv", "--out", "taken"]);
    expect(exitCode).toBe(EXIT_CODES.configuration);
    expect(stderr).toMatch(/^Cannot write into taken: EISDIR: .*metrics\.jsonl\.part'\n$/);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(readdirSync(join(folder.path, "taken"))).toEqual(["metrics.jsonl.part"]);
  });

  test.each(["SIGINT", "SIGTERM"] as const)("130 after %s, with no file that looks whole", async (signal) => {
    const out = folder.newOutput();
    const child = spawn(process.execPath, [main, "demo", "--once", "--out", out], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += String(chunk);
    });
    const ended = new Promise<[number | null, string | null]>((resolve) => {
      child.on("exit", (code, by) => resolve([code, by]));
    });
    // The first alert: the run is under way, and far from its end.
    let stdout = "";
    await new Promise<void>((resolve) => {
      child.stdout.on("data", (chunk: Buffer) => {
        stdout += String(chunk);
        if (stdout.includes("opened")) resolve();
      });
    });
    child.kill(signal);
    expect(await ended).toEqual([EXIT_CODES.interrupted, null]);
    expect(stderr).toBe("");
    expect(readdirSync(out).filter((name) => name.endsWith(".jsonl"))).toEqual([]);
  });
});

describe.skipIf(process.platform === "win32")("a reader that leaves", () => {
  /** Runs the command with `| head -n 1` behind it. */
  function headed(args: readonly string[]): Promise<Ended> {
    const command = [process.execPath, main, ...args].map((part) => `'${part}'`).join(" ");
    return new Promise((resolve) => {
      const script = `(${command}; echo "exit $?" >&2) | head -n 1`;
      const child = execFile("sh", ["-c", script], { cwd: folder.path }, (_error, stdout, stderr) => {
        resolve({ exitCode: child.exitCode, stdout, stderr });
      });
    });
  }

  test.each([
    ["detect", ["detect", "metrics.csv"]],
    ["--help", ["--help"]],
    ["profile show", ["profile", "show", join("profiled-early", "trips.all.profile")]],
  ])("%s | head -n 1 prints one line, no error, and the exit code is 0", async (_name, args) => {
    await streamgauge(["profile", "trips.csv", "--out", "profiled-early"]);
    expect(await headed(args)).toMatchObject({ stdout: expect.stringMatching(/^.+\n$/), stderr: "exit 0\n" });
  });

  test("replay writes whole files all the same", async () => {
    // Days without fares: the table of incidents has more lines than one.
    const trips = makeTrips({ seed: 82, count: 60 * 48, everyMs: 1_800_000 });
    const damaged = trips.map((trip, index) =>
      Math.floor(index / 48) % 6 === 5 && index > 2000 ? { ...trip, fare: null } : trip,
    );
    folder.write("alarming.csv", asCsv(damaged));
    const args = (out: string) => ["replay", "-c", "good.yaml", "alarming.csv", "--out", out];
    const whole = await streamgauge(args("whole"));
    expect(whole.stdout.split("\n").length).toBeGreaterThan(4);
    expect(await headed(args("left"))).toMatchObject({ stderr: "exit 0\n" });
    for (const name of ["alerts.jsonl", "metrics.jsonl", "verdicts.jsonl"]) {
      const bytes = (out: string) => readFileSync(join(folder.path, out, name), "utf8");
      expect(bytes("left")).toBe(bytes("whole"));
    }
  });

  test.skipIf(process.platform !== "linux")("a full disk is no such reader: exit code 4, one line", async () => {
    const script = `'${process.execPath}' '${main}' detect metrics.csv > /dev/full`;
    const ended = await new Promise<Ended>((resolve) => {
      const child = execFile("sh", ["-c", script], { cwd: folder.path }, (_error, stdout, stderr) => {
        resolve({ exitCode: child.exitCode, stdout, stderr });
      });
    });
    expect(ended).toEqual({
      exitCode: 4,
      stdout: "",
      stderr: "Cannot go on: ENOSPC: no space left on device, write\n",
    });
  });
});
