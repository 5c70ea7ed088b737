/**
 * What programs of before have written is read by this one: after an upgrade the judge goes on with the state that is
 * there, and with the deltas of profilers that are upgraded later.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { decodeDelta, encodeLedger, encodePane } from "../../src/profiles/delta-codec.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { readTracker, writeTracker } from "../../src/stages/dataset-state.ts";
import { reportKnowledge } from "../../src/stages/state-report.ts";
import { StateStore } from "../../src/state/state-records.ts";
import { COMPARED_TOPICS, continued, makeFixture, readFixture } from "./make-fixtures.ts";
import { TOPICS } from "./state-kit.ts";

const FOLDER = fileURLToPath(new URL("./fixtures", import.meta.url));
/** Of what is written: the state records (`state-records.ts`) and the deltas (`delta-codec.ts`); each has a fixture. */
const VERSIONS = ["v1"];
const CURRENT = "v1";
const PLACE = { topic: TOPICS.state, partition: 0 };
const fileOf = (version: string) => `${FOLDER}/${version}/judge.json.gz`;

if (process.env.STREAMGAUGE_MAKE_FIXTURES === "1" && !existsSync(fileOf(CURRENT))) {
  mkdirSync(`${FOLDER}/${CURRENT}`, { recursive: true });
  writeFileSync(fileOf(CURRENT), await makeFixture());
}

test("every version has its fixture, and no more", () => {
  expect(readdirSync(FOLDER).sort()).toEqual(VERSIONS);
});

describe.each(VERSIONS)("state and deltas of %s", (version) => {
  const fixture = readFixture(readFileSync(fileOf(version)));

  test("say what made them", () => {
    expect(fixture.generator).toBe("test/state/make-fixtures.ts");
    expect(fixture.program).toMatch(/^streamgauge \d+\.\d+\.\d+$/);
    const writers = fixture.state.map(({ headers }) => headers.map(({ value }) => String(value)).join());
    expect(new Set(writers)).toEqual(new Set([fixture.program]));
  });

  test("hold something that could be lost", () => {
    for (const [dataset, windows] of [
      ["flights", 16],
      ["trips", 17],
    ] as const) {
      const known = reportKnowledge(fixture.state, PLACE, dataset)!;
      expect(known.series.find(({ key }) => key === "86400000|all")!).toMatchObject({ windows, isWarm: true });
      expect(known.openWindows.length).toBeGreaterThan(0);
    }
    expect(fixture.deltas.length).toBeGreaterThan(10);
  });

  test("are restored, and the judge goes on to the figures of then", async () => {
    const { outputs, complaints } = await continued(fixture);
    expect(complaints).toEqual([]);
    for (const topic of COMPARED_TOPICS) {
      const expected = fixture.expected[topic]!.map((line) => rounded(JSON.parse(line)));
      expect(
        outputs[topic]!.map((line) => rounded(JSON.parse(line))),
        topic,
      ).toEqual(expected);
    }
    expect(fixture.expected[TOPICS.metrics]!.length).toBeGreaterThan(5);
    expect(fixture.expected[TOPICS.verdicts]!.some((line) => JSON.parse(line).outcome !== "unknown")).toBe(true);
  });
});

test("what this program writes is of the layout of the newest fixture: another one needs a version of its own", () => {
  const fixture = readFixture(readFileSync(fileOf(CURRENT)));
  for (const { key, value: stored } of new StateStore(PLACE).read(fixture.state)) {
    const value = stored.unpack();
    if (key.includes("|profile|")) expect(sameBytes(Profile.read(value).write(), value), key).toBe(true);
    if (key.endsWith("|tracker")) expect(sameBytes(writeTracker(readTracker(value)), value), key).toBe(true);
  }
  for (const { value } of fixture.deltas) {
    const delta = decodeDelta(value!);
    const written =
      delta.kind === "ledger"
        ? encodeLedger(delta.entry, delta.paneRecords)
        : encodePane(delta.origin, { ...delta, profile: delta.bytes })[0]!;
    expect(sameBytes(written, value!), JSON.stringify(delta.origin)).toBe(true);
    if (delta.kind === "pane") expect(sameBytes(Profile.read(delta.bytes).write(), delta.bytes)).toBe(true);
  }
});

/** Engines differ in the last digits of logarithms. */
function rounded(value: unknown): unknown {
  if (typeof value === "number") return Number(value.toPrecision(9));
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, rounded(member)]));
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
