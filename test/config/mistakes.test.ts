/** One mistake (or two that come together) → the exact lines that a user reads. */
import { describe, expect, test } from "vitest";
import { failure, mistakes } from "./load.ts";

const DATASET = "datasets: [{topic: t}]\n";

const MISTAKES: readonly (readonly [text: string, lines: readonly string[]])[] = [
  [
    "",
    ['1:1 expected a mapping with the key "datasets", but the file is empty — for example datasets: [{topic: trips}]'],
  ],
  [
    "# only a comment\n",
    ['1:1 expected a mapping with the key "datasets", but the file is empty — for example datasets: [{topic: trips}]'],
  ],
  ["hello", ['1:1 expected a mapping with the key "datasets", got one value — for example datasets: [{topic: trips}]']],
  [
    "- topic: t\n",
    ['1:1 expected a mapping with the key "datasets", got a list — for example datasets: [{topic: trips}]'],
  ],
  [
    "datasets:\n",
    [
      '1:1 datasets: expected a list of at least one dataset, each beginning with "- ", got nothing — indent what belongs to it',
    ],
  ],
  [
    "datasets: []\n",
    ['1:11 datasets: expected a list of at least one dataset, each beginning with "- ", got an empty list'],
  ],
  [
    "datasets: {topic: t}\n",
    ['1:11 datasets: expected a list of at least one dataset, each beginning with "- ", got a mapping with "topic"'],
  ],
  [
    "datasets: [t]\n",
    [
      '1:12 datasets[0]: expected a mapping with topic, impact, schema, producerHeader, flushEvery, time, windows, slices, fields, pairs, detect, quarantine, got "t"',
    ],
  ],
  ["datasets:\n  - {}\n", ['2:5 datasets[0]: the key "topic" is missing — for example topic: trips']],
  ["datasts: [{topic: t}]\n", ['1:1 datasts: unknown key "datasts" — did you mean "datasets"?']],
  [
    `${DATASET}deployment: a b\n`,
    ['2:13 deployment: expected a name of letters, digits, ., _ and - such as prod, got "a b"'],
  ],
  [
    `${DATASET}deployment: 2024\n`,
    [
      '2:13 deployment: expected a name of letters, digits, ., _ and - such as prod, got 2024 — put it into quotes: "2024"',
    ],
  ],
  [
    `${DATASET}toString: 1\n`,
    [
      '2:1 toString: unknown key "toString" — expected one of deployment, kafka, registry, topics, startFrom, checkpointEvery, alerts, datasets, sinks',
    ],
  ],
  [
    `${DATASET}__proto__: {deployment: x}\n`,
    [
      '2:1 __proto__: unknown key "__proto__" — expected one of deployment, kafka, registry, topics, startFrom, checkpointEvery, alerts, datasets, sinks',
    ],
  ],
  ["datasets:\n  - topic: t\n    topic: u\n", ['3:5 datasets[0].topic: the key "topic" stands here a second time']],
  [
    "datasets:\n  - topic: t\n    topci: u\n",
    ['3:5 datasets[0].topci: unknown key "topci" — did you mean "topic"? it stands here already'],
  ],
  [
    "datasets:\n  - topic: t\n    lateness: 5m\n",
    ['3:5 datasets[0].lateness: unknown key "lateness" — it belongs one level down, under "time"'],
  ],
  [
    "datasets:\n  - topic: t\n    windows: {size: [5m]}\n",
    ['3:15 datasets[0].windows.size: unknown key "size" — did you mean "sizes"?'],
  ],
  [
    "datasets:\n  - topic: t\n    windows: {lateness: 5m}\n",
    ['3:15 datasets[0].windows.lateness: unknown key "lateness" — it belongs under datasets[].time'],
  ],
  [
    "datasets:\n  - topic: t\n    windows:\n    sizes: [5m]\n",
    [
      "3:5 datasets[0].windows: expected a mapping with sizes, timezone, got nothing — indent what belongs to it",
      '4:5 datasets[0].sizes: unknown key "sizes" — it belongs one level down, under "windows"',
    ],
  ],
  [
    "datasets:\n  - topic: t\n    windows: {sizes: [5m, 5 minits]}\n",
    [
      '3:27 datasets[0].windows.sizes[1]: expected a window size in whole minutes, hours or days such as 5m, got "5 minits" — did you mean "5m"?',
    ],
  ],
  [
    "datasets:\n  - topic: t\n    windows: {sizes: 1h}\n",
    [
      '3:22 datasets[0].windows.sizes: expected a list of window sizes such as [5m, 1h, 1d], got "1h" — put it into a list: [1h]',
    ],
  ],
  [
    "datasets:\n  - topic: t\n    windows: {sizes: []}\n",
    ["3:22 datasets[0].windows.sizes: expected a list of window sizes such as [5m, 1h, 1d], got an empty list"],
  ],
  [
    "datasets:\n  - topic: t\n    windows: {sizes: [30s]}\n",
    ['3:23 datasets[0].windows.sizes[0]: expected a window size in whole minutes, hours or days such as 5m, got "30s"'],
  ],
  [
    "datasets:\n  - topic: t\n    windows: {sizes: [60s]}\n",
    [
      '3:23 datasets[0].windows.sizes[0]: expected a window size in whole minutes, hours or days such as 5m, got "60s" — did you mean "1m"?',
    ],
  ],
  [
    "datasets:\n  - topic: t\n    windows: {sizes: [1h, 90m]}\n",
    [
      '3:27 datasets[0].windows.sizes[1]: expected a multiple of the next smaller size 1h, of which windows are put together, got "90m" — for example 2h',
    ],
  ],
  [
    "datasets:\n  - topic: t\n    windows: {sizes: [1h, 60m]}\n",
    ['3:27 datasets[0].windows.sizes[1]: "60m" is the same size as "1h"'],
  ],
  [
    "datasets:\n  - topic: t\n    windows: {sizes: [0h]}\n",
    ['3:23 datasets[0].windows.sizes[0]: expected a window size in whole minutes, hours or days such as 5m, got "0h"'],
  ],
  [
    "datasets:\n  - topic: t\n    windows: {timezone: Europe/Berln}\n",
    [
      '3:25 datasets[0].windows.timezone: expected an IANA time zone such as Europe/Berlin, got "Europe/Berln" — did you mean "Europe/Berlin"?',
    ],
  ],
  [
    "datasets:\n  - topic: t\n    windows: {timezone: berlin}\n",
    [
      '3:25 datasets[0].windows.timezone: expected an IANA time zone such as Europe/Berlin, got "berlin" — did you mean "Europe/Berlin"?',
    ],
  ],
  [
    "datasets:\n  - topic: t\n    windows: {timezone: +01:00}\n",
    ['3:25 datasets[0].windows.timezone: expected an IANA time zone such as Europe/Berlin, got "+01:00"'],
  ],
  [
    'datasets:\n  - topic: t\n    windows: {timezone: "+01:00"}\n',
    ['3:25 datasets[0].windows.timezone: expected an IANA time zone such as Europe/Berlin, got "+01:00"'],
  ],
  [
    "datasets:\n  - topic: t\n    time: {lateness: 90}\n",
    ["3:22 datasets[0].time.lateness: expected a duration such as 2m, got 90 — write the unit, as in 90m"],
  ],
  [
    "datasets:\n  - topic: t\n    time: {lateness: 1.5h}\n",
    ['3:22 datasets[0].time.lateness: expected a duration such as 2m, got "1.5h" — did you mean "90m"?'],
  ],
  [
    "datasets:\n  - topic: t\n    time: {lateness: PT5M}\n",
    ['3:22 datasets[0].time.lateness: expected a duration such as 2m, got "PT5M" — did you mean "5m"?'],
  ],
  [
    "datasets:\n  - topic: t\n    time: {lateness: 2 weeks}\n",
    ['3:22 datasets[0].time.lateness: expected a duration such as 2m, got "2 weeks" — did you mean "14d"?'],
  ],
  [
    "datasets:\n  - topic: t\n    time: {lateness: soon}\n",
    ['3:22 datasets[0].time.lateness: expected a duration such as 2m, got "soon"'],
  ],
  [
    "datasets:\n  - topic: t\n    time: {unheardAfter: 0}\n",
    ["3:26 datasets[0].time.unheardAfter: expected a duration greater than 0 such as 5m, got 0"],
  ],
  [
    "datasets:\n  - topic: t\n    time: {lateness: -5m}\n",
    ['3:22 datasets[0].time.lateness: expected a duration such as 2m, got "-5m"'],
  ],
  [
    "datasets:\n  - topic: t\n    time: {idle_after: 5m}\n",
    ['3:12 datasets[0].time.idle_after: unknown key "idle_after" — did you mean "idleAfter"?'],
  ],
  [
    'datasets:\n  - topic: t\n    time: {field: "stops[].at"}\n',
    [
      '3:19 datasets[0].time.field: expected a field with one value per event for the time of an event, got the elements of "stops[].at"',
    ],
  ],
  [
    'datasets:\n  - topic: t\n    time: {field: "a..b"}\n',
    ['3:19 datasets[0].time.field: expected a field path such as picked_up_at, got "a..b"'],
  ],
  [
    "datasets:\n  - topic: t\n    time: picked_up_at\n",
    [
      '3:11 datasets[0].time: expected a mapping with field, lateness, idleAfter, unheardAfter, maxAhead, reviseFor, got "picked_up_at"',
    ],
  ],
  [
    "datasets:\n  - topic: t\n    time: {field: [a]}\n",
    ["3:19 datasets[0].time.field: expected a field path such as picked_up_at, got a list"],
  ],
  [
    "datasets:\n  - topic: t\n    slices: {by: origin}\n",
    ['3:13 datasets[0].slices: expected a list of slices, each beginning with "- ", got a mapping with "by"'],
  ],
  [
    "datasets:\n  - topic: t\n    slices: [{by: a}, {by: a}]\n",
    ['3:28 datasets[0].slices[1].by: the slice name "a" is that of datasets[0].slices[0].by already'],
  ],
  [
    "datasets:\n  - topic: t\n    slices: [{by: a}, {by: b, name: a}]\n",
    ['3:37 datasets[0].slices[1].name: the slice name "a" is that of datasets[0].slices[0].by already'],
  ],
  [
    "datasets:\n  - topic: t\n    slices: [{limit: 5}]\n",
    ['3:14 datasets[0].slices[0]: the key "by" is missing — for example by: origin'],
  ],
  [
    "datasets:\n  - topic: t\n    slices: [{by: a, limit: 0}]\n",
    ["3:29 datasets[0].slices[0].limit: expected a whole number from 1 to 10000, got 0"],
  ],
  [
    'datasets:\n  - topic: t\n    slices: [{by: a, limit: "50"}]\n',
    ['3:29 datasets[0].slices[0].limit: expected a whole number from 1 to 10000, got "50" — without quotes: 50'],
  ],
  [
    "datasets:\n  - topic: t\n    slices: [{by: a, limit: 1.5}]\n",
    ["3:29 datasets[0].slices[0].limit: expected a whole number from 1 to 10000, got 1.5"],
  ],
  [
    'datasets:\n  - topic: t\n    slices: [{name: night, where: "hour(t) < 6"}]\n',
    [
      '3:28 datasets[0].slices[0].where: the key "where" is known but does not work yet in this version (0.1.0) — remove it',
    ],
  ],
  [
    "datasets:\n  - topic: t\n    slices: [origin]\n",
    ['3:14 datasets[0].slices[0]: expected a mapping with by, name, limit, got "origin"'],
  ],
  [
    "datasets:\n  - topic: t\n    fields: {origin: show}\n",
    ['3:22 datasets[0].fields.origin: expected a mapping with values, impact, got "show" — write {values: show}'],
  ],
  [
    "datasets:\n  - topic: t\n    fields: {origin: {impact: criticl}}\n",
    [
      '3:31 datasets[0].fields.origin.impact: expected one of critical, high, medium, low, got "criticl" — did you mean "critical"?',
    ],
  ],
  [
    "datasets:\n  - topic: t\n    fields: {origin: low}\n",
    ['3:22 datasets[0].fields.origin: expected a mapping with values, impact, got "low" — write {impact: low}'],
  ],
  [
    `${DATASET}alerts: {severity: {urgent: [P1, P1, P1]}}\n`,
    ['2:21 alerts.severity.urgent: unknown key "urgent" — expected one of critical, high, medium, low'],
  ],
  [
    `${DATASET}alerts: {severity: {low: [P4, P3]}}\n`,
    ["2:26 alerts.severity.low: expected a list of 3 severities such as [P4, P3, P2], got a list"],
  ],
  [
    `${DATASET}alerts: {severity: {high: [P2, P5, P1]}}\n`,
    ['2:32 alerts.severity.high[1]: expected one of P0, P1, P2, P3, P4, got "P5" — did you mean "P0"?'],
  ],
  [
    `${DATASET}alerts: {severity: {high: [P2, P3, P1], low: [P3, P3, P4]}}\n`,
    [
      '2:32 alerts.severity.high[1]: expected "P2" or worse, because what is more likely is not milder, got "P3"',
      '2:55 alerts.severity.low[2]: expected "P3" or worse, because what is more likely is not milder, got "P4"',
    ],
  ],
  [
    "datasets:\n  - topic: t\n    fields: {origin: {values: shwo}}\n",
    ['3:31 datasets[0].fields.origin.values: expected one of show, hash, hide, got "shwo" — did you mean "show"?'],
  ],
  [
    'datasets:\n  - topic: t\n    fields: {"trip.*": {values: show}}\n',
    ['3:14 datasets[0].fields["trip.*"]: expected a field path such as trip.fare, got "trip.*"'],
  ],
  [
    "datasets:\n  - topic: t\n    fields: {a: {value: show}}\n",
    ['3:18 datasets[0].fields.a.value: unknown key "value" — did you mean "values"?'],
  ],
  [
    "datasets:\n  - topic: t\n    fields: [a]\n",
    ["3:13 datasets[0].fields: expected a mapping of field paths such as {origin: {values: show}}, got a list"],
  ],
  [
    "datasets:\n  - topic: t\n    detect: {season: weekly}\n",
    ['3:22 datasets[0].detect.season: expected auto or a whole number of windows from 1 to 10000, got "weekly"'],
  ],
  [
    "datasets:\n  - topic: t\n    detect: {season: 0}\n",
    ["3:22 datasets[0].detect.season: expected auto or a whole number of windows from 1 to 10000, got 0"],
  ],
  [
    "datasets:\n  - topic: t\n    detect: {season: Auto}\n",
    [
      '3:22 datasets[0].detect.season: expected auto or a whole number of windows from 1 to 10000, got "Auto" — did you mean "auto"?',
    ],
  ],
  [
    "datasets:\n  - topic: t\n    detect: {warmup: true}\n",
    ["3:22 datasets[0].detect.warmup: expected auto or a whole number of windows from 1 to 10000, got true"],
  ],
  [
    "datasets:\n  - topic: t\n    detect: {falseAlarms: 1 per month}\n",
    ['3:27 datasets[0].detect.falseAlarms: expected a budget such as 1 per 30d, got "1 per month"'],
  ],
  [
    "datasets:\n  - topic: t\n    quarantine: {topic: t}\n",
    [
      "3:25 datasets[0].quarantine.topic: expected another topic than datasets[0].topic: refused records would be read again without end",
    ],
  ],
  [
    "datasets:\n  - topic: t\n    quarantine: t.refused\n",
    ['3:17 datasets[0].quarantine: expected a mapping with topic, got "t.refused" — write {topic: t.refused}'],
  ],
  [
    "datasets:\n  - topic: t\n    quarantine: {topic: streamgauge.alerts}\n",
    ['3:25 datasets[0].quarantine.topic: "streamgauge.alerts" is a topic that streamgauge writes for something else'],
  ],
  [
    "datasets:\n  - topic: t\n    flushEvery: 0\n",
    ["3:17 datasets[0].flushEvery: expected a duration greater than 0 such as 5s, got 0"],
  ],
  [
    "datasets:\n  - topic: t\n    checks: []\n",
    ['3:5 datasets[0].checks: the key "checks" is known but does not work yet in this version (0.1.0) — remove it'],
  ],
  [
    "datasets:\n  - topic: t\n    shard: main\n",
    ['3:5 datasets[0].shard: the key "shard" is known but does not work yet in this version (0.1.0) — remove it'],
  ],
  [
    "datasets:\n  - topic: t\n    include: [a]\n",
    ['3:5 datasets[0].include: the key "include" is known but does not work yet in this version (0.1.0) — remove it'],
  ],
  [
    "datasets: [{topic: t}, {topic: t}]\n",
    ['1:32 datasets[1].topic: the topic "t" is that of datasets[0].topic already'],
  ],
  [
    "datasets: [{topic: streamgauge.metrics}]\n",
    ['1:20 datasets[0].topic: "streamgauge.metrics" is a topic that streamgauge writes — change topics.prefix'],
  ],
  ["datasets: [{topic: a/b}]\n", ['1:20 datasets[0].topic: expected a topic name such as trips, got "a/b"']],
  ["datasets: [{topic: ..}]\n", ['1:20 datasets[0].topic: expected a topic name such as trips, got ".."']],
  [
    `${DATASET}sinks: [console]\n`,
    [
      '2:9 sinks[0]: expected one sink per item such as {console: {}}, got "console" — write console: with its options below it',
    ],
  ],
  [
    `${DATASET}sinks: [{console: {}, file: {directory: a}}]\n`,
    [
      '2:9 sinks[0]: expected one sink per item such as {console: {}}, got a mapping with "console", "file" — begin each item with "- "',
    ],
  ],
  [`${DATASET}sinks: [{}]\n`, ["2:9 sinks[0]: expected one sink per item such as {console: {}}, got an empty mapping"]],
  [
    `${DATASET}sinks: [{file: {}}]\n`,
    ['2:10 sinks[0].file: the key "directory" is missing — for example directory: out'],
  ],
  [`${DATASET}sinks: [{flie: {directory: a}}]\n`, ['2:10 sinks[0].flie: unknown key "flie" — did you mean "file"?']],
  [
    `${DATASET}sinks: [{console: {color: true}}]\n`,
    ['2:20 sinks[0].console.color: unknown key "color" — no keys are expected here'],
  ],
  [
    `${DATASET}sinks: [{file: {directory: a}}, {file: {directory: a}}]\n`,
    ['2:52 sinks[1].file.directory: the directory "a" is that of sinks[0].file.directory already'],
  ],
  [
    `${DATASET}sinks:\n  - file:\n    directory: out\n`,
    [
      "3:5 sinks[0].file: expected a mapping with directory, got nothing — indent what belongs to it",
      '4:5 sinks[0].directory: unknown key "directory" — it belongs one level down, under "file"',
    ],
  ],
  [
    `${DATASET}alerts: {resolveAfter: none}\n`,
    ['2:24 alerts.resolveAfter: expected a whole number from 1 to 1000, got "none"'],
  ],
  [
    `${DATASET}resolveAfter: 2\n`,
    ['2:1 resolveAfter: unknown key "resolveAfter" — it belongs one level down, under "alerts"'],
  ],
  [
    `${DATASET}memory: {budget: 384MB}\n`,
    ['2:1 memory: the key "memory" is known but does not work yet in this version (0.1.0) — remove it'],
  ],
  [
    `${DATASET}topics: {prefix: "a b"}\n`,
    ['2:18 topics.prefix: expected the beginning of a topic name such as streamgauge., got "a b"'],
  ],
  [`${DATASET}prefix: x.\n`, ['2:1 prefix: unknown key "prefix" — it belongs one level down, under "topics"']],
  [
    `${DATASET}broker: x\n`,
    ['2:1 broker: unknown key "broker" — did you mean "brokers"? it belongs one level down, under "kafka"'],
  ],
  [`${DATASET}datasets: []\n`, ['2:1 datasets: the key "datasets" stands here a second time']],
  [
    `datasets: [{topic: "\${T}"}]\n`,
    [`1:20 datasets[0].topic: the environment variable T is not set — set it, or write \${T:-default}`],
  ],
  [
    "datasets:\n  - topic: t\n    schema: none.avsc\n",
    ['3:13 datasets[0].schema: cannot read the schema file "none.avsc": there is no such file'],
  ],
  [
    "datasets:\n  - topic: t\n    schema: '{'\n",
    ["3:13 datasets[0].schema: expected JSON as Avro schemas are written, but the schema is not JSON"],
  ],
  [
    `datasets:\n  - topic: t\n    schema: '{"type":"record","name":"a-b","fields":[]}'\n`,
    ['3:13 datasets[0].schema: the schema cannot be used: name: expected a name of letters, digits and _, got "a-b"'],
  ],
  [
    "datasets:\n  - topic: t\n    schema: 5\n",
    ["3:13 datasets[0].schema: expected a path such as trips.avsc, or an Avro schema, got 5"],
  ],
  [
    "datasets:\n- topic: t\n  time: {field: a, field: b}\n",
    ['3:20 datasets[0].time.field: the key "field" stands here a second time'],
  ],
];

describe("loadConfig()", () => {
  test.each(MISTAKES)("explains %j", async (text, lines) => {
    expect(await mistakes(text)).toEqual(lines);
  });

  test("reports six mistakes of one file at once, in order of their place", async () => {
    const text = [
      "deployment: a b",
      "datasets:",
      "  - topic: trips",
      "    windows:",
      "      sizes: [5m, 5 minits]",
      "      timezone: Mars/Olympus",
      "    slices: [{ by: origin }, { by: origin }]",
      `    lateness: \${LATENESS}`,
      "",
    ].join("\n");
    const error = await failure(text);
    expect(error?.code).toBe("SG_CONFIG");
    expect(error?.exitCode).toBe(2);
    expect(error?.message.split("\n")).toEqual([
      "Cannot use configuration streamgauge.yaml: 6 mistakes",
      'streamgauge.yaml:1:13 deployment: expected a name of letters, digits, ., _ and - such as prod, got "a b"',
      'streamgauge.yaml:5:19 datasets[0].windows.sizes[1]: expected a window size in whole minutes, hours or days such as 5m, got "5 minits" — did you mean "5m"?',
      'streamgauge.yaml:6:17 datasets[0].windows.timezone: expected an IANA time zone such as Europe/Berlin, got "Mars/Olympus"',
      'streamgauge.yaml:7:36 datasets[0].slices[1].by: the slice name "origin" is that of datasets[0].slices[0].by already',
      'streamgauge.yaml:8:5 datasets[0].lateness: unknown key "lateness" — it belongs one level down, under "time"',
      `streamgauge.yaml:8:15 datasets[0].lateness: the environment variable LATENESS is not set — set it, or write \${LATENESS:-default}`,
    ]);
  });

  test("reports a missing key beside one that is refused or cannot be filled in", async () => {
    expect(await mistakes(`datasets:\n  - shard: main\n    flushEvery: \${EVERY}\n`)).toEqual([
      '2:5 datasets[0].shard: the key "shard" is known but does not work yet in this version (0.1.0) — remove it',
      '2:5 datasets[0]: the key "topic" is missing — for example topic: trips',
      `3:17 datasets[0].flushEvery: the environment variable EVERY is not set — set it, or write \${EVERY:-default}`,
    ]);
    expect(await mistakes("datasets: [{topic: t, values: show}]\n")).toEqual([
      '1:23 datasets[0].values: unknown key "values" — it belongs under datasets[].fields.PATH',
    ]);
  });

  test("says what is refused once, and not what is wrong below it", async () => {
    expect(await mistakes(`${DATASET}memory: { budgte: 5 }\n`)).toEqual([
      '2:1 memory: the key "memory" is known but does not work yet in this version (0.1.0) — remove it',
    ]);
  });

  test("never repeats characters that a terminal would act on", async () => {
    const error = await failure('"a\\e[31m": 1\ndatasets: [{topic: "\\e]0;x\\a\\u202e", schema: "\\e[2J"}]\n');
    expect(error?.problems).toHaveLength(3);
    expect(error?.message).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
  });
});
