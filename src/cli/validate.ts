/** `streamgauge validate -c FILE`: every mistake with its place, or what was understood. */
import type { ConfigProblem } from "../config/config-error.ts";
import { ConfigError, formatProblem } from "../config/config-error.ts";
import { formatDuration } from "../config/duration.ts";
import type { LoadedConfig } from "../config/load-config.ts";
import { loadConfigFile } from "../config/load-config.ts";
import { redactConfig } from "../config/redact.ts";
import { maskUrl } from "../config/shown.ts";
import type { Config, DatasetConfig, KafkaConfig, RegistryConfig, SinkConfig, StartFrom } from "../core/config.ts";
import { EXIT_CODES } from "../core/errors.ts";
import type { Io } from "./io.ts";

type ValidateIo = Pick<Io, "stdout" | "stderr" | "env">;

/**
 * The exit code: 0, or 2 when there is any mistake. The file is read as `run` would read it, except that a missing
 * `kafka` or `registry` is a notice: a file for `replay` alone is right. Secrets are `***` in every output.
 */
export async function validate(
  args: { readonly config: string; readonly json: boolean },
  io: ValidateIo,
): Promise<number> {
  let loaded: LoadedConfig;
  try {
    loaded = await loadConfigFile({ file: args.config, env: io.env, command: "validate" });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    reportProblems(error.problems, args.json, io);
    return EXIT_CODES.configuration;
  }
  const { config, notices } = loaded;
  if (args.json) {
    const datasets = config.datasets.map((dataset) => ({
      ...dataset,
      fields: Object.fromEntries(dataset.fields),
    }));
    io.stdout(JSON.stringify({ ok: true, problems: [], notices, config: { ...redactConfig(config), datasets } }));
    return EXIT_CODES.ok;
  }
  io.stdout(`${args.config}: no mistakes`);
  for (const line of describeConnections(config)) io.stdout(line);
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

function describeConnections(config: Config): string[] {
  const { kafka, registry } = config;
  return [
    `deployment ${config.deployment}, topics ${config.topics.prefix}*`,
    ...(kafka === undefined ? [] : [`kafka ${describeKafka(kafka)}`]),
    ...(registry === undefined ? [] : [`registry ${describeRegistry(registry)}`]),
    `from ${describeStart(config.startFrom)}, a checkpoint every ${formatDuration(config.checkpointEveryMs)}`,
  ];
}

function describeKafka({ brokers, group, tls, sasl }: KafkaConfig): string {
  const user = sasl?.mechanism === "oauthbearer" ? sasl.clientId : sasl?.username;
  return [
    brokers.join(" "),
    `groups ${group}.*`,
    describeTls(tls),
    sasl === undefined ? "no login" : `${sasl.mechanism} as ${user}`,
  ].join(", ");
}

function describeRegistry({ url, auth, tls, cacheDirectory }: RegistryConfig): string {
  let login = "no login";
  if (auth?.kind === "basic") login = `password of ${auth.username}`;
  if (auth?.kind === "bearer") login = "token";
  const parts = [maskUrl(url), login];
  if (tls !== undefined) parts.push(describeTls(tls));
  if (cacheDirectory !== undefined) parts.push(`cache ${cacheDirectory}`);
  return parts.join(", ");
}

function describeTls(tls: KafkaConfig["tls"]): string {
  if (tls === undefined) return "no TLS";
  return tls.cert === undefined ? "TLS" : "TLS with our certificate";
}

function describeStart(start: StartFrom): string {
  return typeof start === "string" ? start : `${formatDuration(start.agoMs)} ago`;
}

function describe(dataset: DatasetConfig): string[] {
  const { time, windows, detect } = dataset;
  const shown = [...dataset.fields].flatMap(([path, { values }]) => (values === undefined ? [] : `${path} ${values}`));
  const worth = [...dataset.fields].flatMap(([path, { impact }]) => (impact === undefined ? [] : `${path} ${impact}`));
  return [
    `dataset ${dataset.topic}`,
    `  time     ${time.field ?? "the broker's timestamp"}, lateness ${formatDuration(time.latenessMs)}`,
    `  windows  ${windows.sizesMs.map(formatDuration).join(", ")} in ${windows.timezone}`,
    `  slices   ${["all", ...dataset.slices.map((slice) => `${slice.name} (at most ${slice.limit} values)`)].join(", ")}`,
    `  detect   season ${detect.season}, warmup ${detect.warmup}`,
    `  impact   ${[dataset.impact ?? "medium", ...worth].join(", ")}`,
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
      return `postgres ${maskUrl(sink.url)}, schema ${sink.schema}, ${describeTls(sink.tls)}`;
    default:
      return sink satisfies never;
  }
}
