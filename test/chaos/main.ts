/**
 * `npm run chaos -- --minutes N --seed S [--brokers 1|3] [--partitions P] [--processes K] [--kills N] [--broker-kills N]
 * [--others N] [--rate R] [--window-events N] [--client kafkajs|node-rdkafka] [--plant NAME] [--logs FOLDER] [--keep]`: one run of chaos on a real Kafka. Exit code 1 when something is found, as it
 * must be with a planted fault. `--keep` leaves the brokers' logs on the disk when something is found. `--recreate` and `--endure` are runs of their own: see
 * `recreate.ts` and `endurance.ts`.
 */
import { parseArgs } from "node:util";
import { runEndurance } from "./endurance.ts";
import { PLANTS, type Plant } from "./fleet.ts";
import { runRecreate } from "./recreate.ts";
import { summary } from "./report.ts";
import { type ChaosOptions, defaultOptions, runChaos } from "./run.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: "1" },
    brokers: { type: "string", default: "1" },
    partitions: { type: "string" },
    processes: { type: "string" },
    kills: { type: "string" },
    "broker-kills": { type: "string" },
    others: { type: "string" },
    rate: { type: "string" },
    "window-events": { type: "string" },
    client: { type: "string", default: "kafkajs" },
    plant: { type: "string" },
    logs: { type: "string" },
    keep: { type: "boolean", default: false },
    recreate: { type: "boolean", default: false },
    endure: { type: "boolean", default: false },
  },
});

if (values.brokers !== "1" && values.brokers !== "3") throw new RangeError("--brokers: expected 1 or 3");
if (values.client !== "kafkajs" && values.client !== "node-rdkafka") {
  throw new RangeError("--client: expected kafkajs or node-rdkafka");
}
const minutes = number("minutes", values.minutes);
const given = (["partitions", "processes", "rate", "broker-kills", "others"] as const).flatMap((name) => {
  const text = values[name];
  return text === undefined ? [] : [[name === "broker-kills" ? "brokerKills" : name, number(name, text)] as const];
});
const kills = values.kills === undefined ? undefined : number("kills", values.kills);
const options: ChaosOptions = {
  ...defaultOptions(number("seed", values.seed), minutes, kills),
  brokers: values.brokers === "3" ? 3 : 1,
  client: values.client,
  keepsLogs: values.keep,
  ...Object.fromEntries(given),
  ...(values.logs !== undefined && { logs: values.logs }),
  ...(values.plant !== undefined && { plant: plantNamed(values.plant) }),
};

const replay = `npm run chaos -- ${process.argv.slice(2).join(" ")}`;
if (values.recreate) {
  const findings = await runRecreate({ ...options, partitions: 2, loadMs: 15_000 }, say);
  say(findings.length === 0 ? "findings: none" : `findings: ${findings.length}, again with\n  ${replay}`);
  for (const finding of findings) say(`  ${finding}`);
  process.exitCode = findings.length === 0 ? 0 : 1;
} else if (values.endure) {
  const windowEvents = values["window-events"];
  await runEndurance(
    { ...options, ...(windowEvents !== undefined && { windowEvents: number("window-events", windowEvents) }) },
    say,
  );
} else {
  const report = await runChaos(options, say);
  say(summary(report, replay));
  process.exitCode = report.findings.length === 0 ? 0 : 1;
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new RangeError(`--${name} is ${text}, expected a number`);
  return value;
}

function plantNamed(name: string): Plant {
  const plant = PLANTS.find((one) => one === name);
  if (plant === undefined) throw new RangeError(`--plant is ${name}, expected ${PLANTS.join(" or ")}`);
  return plant;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
