/** `streamgauge validate -c FILE`: every mistake with its place, or what was understood. */
import type { ConfigProblem } from "../config/config-error.ts";
import { ConfigError, formatProblem } from "../config/config-error.ts";
import { formatDuration } from "../config/duration.ts";
import type { LoadedConfig } from "../config/load-config.ts";
import { loadConfigFile } from "../config/load-config.ts";
import type { DatasetConfig, SinkConfig } from "../core/config.ts";
import { EXIT_CODES } from "../core/errors.ts";
import type { Io } from "./io.ts";

type ValidateIo = Pick<Io, "stdout" | "stderr" | "env">;

/** The exit code: 0, or 2 when there is any mistake. The file is read as `run` would read it. */
export async function validate(
  args: { readonly config: string; readonly json: boolean },
  io: ValidateIo,
): Promise<number> {
  let loaded: LoadedConfig;
  try {
    loaded = await loadConfigFile({ file: args.config, env: io.env, command: "run" });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    reportProblems(error.problems, args.json, io);
    return EXIT_CODES.configuration;
  }
  const { config, notices } = loaded;
  if (args.json) {
    const datasets = config.datasets.map((dataset) => ({
      ...dataset,
      fields: Object.fromEntries([...dataset.fields].map(([path, field]) => [path, field.values])),
    }));
    io.stdout(JSON.stringify({ ok: true, problems: [], notices, config: { ...config, datasets } }));
    return EXIT_CODES.ok;
  }
  io.stdout(`${args.config}: no mistakes`);
  io.stdout(`deployment ${config.deployment}, topics ${config.topics.prefix}*`);
  for (const dataset of config.datasets) for (const line of describe(dataset)) io.stdout(line);
  for (const sink of config.sinks) io.stdout(`sink ${describeSink(sink)}`);
  for (const notice of notices) io.stdout(`note: ${formatProblem(notice)}`);
  return EXIT_CODES.ok;
}

function reportProblems(problems: readonly ConfigProblem[], json: boolean, io: ValidateIo): void {
  if (json) {
    io.stdout(JSON.stringify({ ok: false, problems, notices: [] }));
    return;
  }
  for (const problem of problems) io.stderr(formatProblem(problem));
  if (problems.length > 1) io.stderr(`${problems.length} mistakes`);
}

function describe(dataset: DatasetConfig): string[] {
  const { time, windows, detect } = dataset;
  const shown = [...dataset.fields].map(([path, field]) => `${path} ${field.values}`);
  return [
    `dataset ${dataset.topic}`,
    `  time     ${time.field ?? "the broker's timestamp"}, lateness ${formatDuration(time.latenessMs)}`,
    `  windows  ${windows.sizesMs.map(formatDuration).join(", ")} in ${windows.timezone}`,
    `  slices   ${["all", ...dataset.slices.map((slice) => `${slice.name} (at most ${slice.limit} values)`)].join(", ")}`,
    `  detect   season ${detect.season}, warmup ${detect.warmup}`,
    `  values   ${[...shown, `all other fields ${dataset.valuesDefault}`].join(", ")}`,
    ...(dataset.quarantine === undefined ? [] : [`  refused  records go to ${dataset.quarantine.topic}`]),
  ];
}

function describeSink(sink: SinkConfig): string {
  switch (sink.kind) {
    case "console":
      return "console";
    case "file":
      return `file ${sink.directory}`;
    case "prometheus":
      return `prometheus on ${sink.host}:${sink.port}`;
    case "postgres":
      return `postgres, schema ${sink.schema}`;
    default:
      return sink satisfies never;
  }
}
