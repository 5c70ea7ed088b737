/** Any configuration that the schema allows loads to what it says; any damage to one is a ConfigError with a place. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { formatDuration } from "../../src/config/duration.ts";
import type { Config } from "../../src/core/config.ts";
import { failure, load } from "./load.ts";

const SEED = 20_260_731;

interface Sample {
  /** As a user would write it. */
  readonly file: Record<string, unknown>;
  readonly config: Config;
}

const word = fc.stringMatching(/^[a-z][a-zA-Z0-9_]{0,8}$/);
const path = fc.oneof(
  fc.array(word, { minLength: 1, maxLength: 3 }).map((names) => names.join(".")),
  fc.constantFrom("`odd name`.x", "f#string", "f#`com.example.Fare`.amount", "__proto__", "constructor"),
);
const anyPath = fc.oneof(path, fc.constantFrom("stops[].at", "tags{}", "m{}#key", "a[][]"));
const topic = fc.stringMatching(/^[a-zA-Z0-9_-]{1,12}(\.[a-z]{1,4})?$/);
const durationMs = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 999_999 }),
  fc.integer({ min: 1, max: 999_999 }).map((seconds) => seconds * 1_000),
  fc.integer({ min: 1, max: 5_000 }).map((days) => days * 86_400_000),
);
const positiveMs = durationMs.filter((ms) => ms > 0);
const windowCount = fc.oneof(fc.constant("auto" as const), fc.integer({ min: 1, max: 10_000 }));

/** Sizes grow by a factor; they are written in any order. */
const sizes = fc
  .tuple(fc.integer({ min: 1, max: 90 }), fc.array(fc.integer({ min: 2, max: 12 }), { maxLength: 3 }))
  .map(([minutes, factors]) => {
    const sizesMs = [minutes * 60_000];
    for (const factor of factors) sizesMs.push(sizesMs.at(-1)! * factor);
    return sizesMs;
  })
  .chain((sizesMs) =>
    fc.record({ sizesMs: fc.constant(sizesMs), written: fc.shuffledSubarray(sizesMs, { minLength: sizesMs.length }) }),
  );

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const dataset = fc
  .record({
    topic,
    time: fc.record({
      field: maybe(path),
      lateness: maybe(durationMs),
      idleAfter: maybe(durationMs),
      unheardAfter: maybe(positiveMs),
      maxAhead: maybe(durationMs),
      reviseFor: maybe(durationMs),
    }),
    windows: maybe(sizes),
    timezone: maybe(fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")),
    slices: fc.uniqueArray(
      fc.record({ by: path, name: maybe(word), limit: maybe(fc.integer({ min: 1, max: 10_000 })) }),
      {
        maxLength: 4,
        selector: (slice) => slice.name ?? slice.by,
      },
    ),
    fields: fc.uniqueArray(fc.tuple(anyPath, fc.constantFrom("show" as const, "hash" as const, "hide" as const)), {
      maxLength: 4,
      selector: ([name]) => name,
    }),
    season: maybe(windowCount),
    warmup: maybe(windowCount),
    quarantine: fc.boolean(),
    flushEvery: maybe(positiveMs),
    schema: fc.boolean(),
  })
  .map((sample) => {
    const { time } = sample;
    const written = (ms: number | undefined) => (ms === undefined ? undefined : formatDuration(ms));
    const schema = { type: "record", name: "R", fields: [] };
    const file = {
      topic: sample.topic,
      time: {
        field: time.field,
        lateness: written(time.lateness),
        idleAfter: written(time.idleAfter),
        unheardAfter: written(time.unheardAfter),
        maxAhead: written(time.maxAhead),
        reviseFor: written(time.reviseFor),
      },
      windows: { sizes: sample.windows?.written.map(formatDuration), timezone: sample.timezone },
      slices: sample.slices,
      fields: new Map(sample.fields.map(([name, values]) => [name, { values }])),
      detect: { season: sample.season, warmup: sample.warmup },
      quarantine: sample.quarantine ? { topic: `${sample.topic}.refused-records` } : undefined,
      flushEvery: written(sample.flushEvery),
      schema: sample.schema ? schema : undefined,
    };
    const config: Config["datasets"][number] = {
      topic: sample.topic,
      time: {
        ...(time.field === undefined ? {} : { field: time.field }),
        latenessMs: time.lateness ?? 120_000,
        idleAfterMs: time.idleAfter ?? 60_000,
        unheardAfterMs: time.unheardAfter ?? 300_000,
        maxAheadMs: time.maxAhead ?? 3_600_000,
        ...(time.reviseFor === undefined ? {} : { reviseForMs: time.reviseFor }),
      },
      windows: { sizesMs: sample.windows?.sizesMs ?? [3_600_000], timezone: sample.timezone ?? "UTC" },
      slices: sample.slices.map(({ by, name, limit }) => ({ by, name: name ?? by, limit: limit ?? 50 })),
      fields: new Map(sample.fields.map(([name, values]) => [name, { values }])),
      valuesDefault: "hash",
      detect: { season: sample.season ?? "auto", warmup: sample.warmup ?? "auto" },
      ...(sample.quarantine ? { quarantine: { topic: `${sample.topic}.refused-records` } } : {}),
      flushEveryMs: sample.flushEvery ?? 5_000,
      ...(sample.schema ? { schema: JSON.stringify(schema) } : {}),
    };
    return { file, config };
  });

const login = fc.oneof(
  fc.record({
    mechanism: fc.constantFrom("plain" as const, "scram-sha-256" as const, "scram-sha-512" as const),
    username: word,
    password: fc.string({ minLength: 1, maxLength: 12 }).filter((text) => !text.includes("${")),
  }),
  fc.record({ clientId: word, clientSecret: word, scope: maybe(word) }).map(({ scope, ...client }) => ({
    mechanism: "oauthbearer" as const,
    tokenUrl: "https://login.example.com/token?tenant=1",
    ...client,
    ...(scope === undefined ? {} : { scope }),
  })),
);

/** Each as written in the file, and as understood. */
const kafka = fc
  .record({ brokers: fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 3 }) })
  .chain(({ brokers }) =>
    fc.record({
      brokers: fc.constant(brokers.map((port) => `kafka-${port}.example.com:${port}`)),
      group: maybe(word),
      tls: maybe(fc.boolean()),
      serverName: maybe(word),
      sasl: maybe(login),
    }),
  )
  .map(({ brokers, group, tls, serverName, sasl }) => ({
    file: { brokers, group, tls: serverName === undefined ? tls : { serverName }, sasl },
    config: {
      brokers,
      group: group ?? "streamgauge",
      ...(serverName === undefined ? {} : { tls: { serverName } }),
      ...(serverName === undefined && tls === true ? { tls: {} } : {}),
      ...(sasl === undefined ? {} : { sasl }),
    },
  }));

const registry = fc
  .record({
    port: fc.integer({ min: 1, max: 65_535 }),
    path: fc.constantFrom("", "/apis/ccompat/v7"),
    cache: maybe(word),
  })
  .chain((base) =>
    fc.record({
      base: fc.constant(base),
      auth: maybe(
        fc.oneof(
          fc
            .record({ username: word, password: word })
            .map((auth) => ({ file: auth, config: { kind: "basic" as const, ...auth } })),
          word.map((token) => ({ file: { token }, config: { kind: "bearer" as const, token } })),
        ),
      ),
    }),
  )
  .map(({ base, auth }) => {
    const url = `http://localhost:${base.port}${base.path}`;
    return {
      file: { url, auth: auth?.file, cache: base.cache },
      config: {
        url,
        ...(auth === undefined ? {} : { auth: auth.config }),
        ...(base.cache === undefined ? {} : { cacheDirectory: base.cache }),
      },
    };
  });

const prometheus = fc
  .record({
    host: maybe(word),
    port: maybe(fc.integer({ min: 0, max: 65_535 })),
    maxSeries: maybe(fc.integer({ min: 1, max: 9_999 })),
  })
  .map((file) => ({
    file: { prometheus: file },
    config: {
      kind: "prometheus" as const,
      host: file.host ?? "127.0.0.1",
      port: file.port ?? 9_464,
      maxSeries: file.maxSeries ?? 2_000,
    },
  }));

const postgres = fc
  .record({ user: word, password: word, schema: maybe(fc.constantFrom("quality", "_x9")) })
  .map(({ user, password, schema }) => {
    const url = `postgres://${user}:${password}@localhost:5432/metrics`;
    return {
      file: { postgres: { url, schema } },
      config: { kind: "postgres" as const, url, schema: schema ?? "streamgauge" },
    };
  });

const start = fc.oneof(
  fc.constantFrom("earliest" as const, "latest" as const).map((word) => ({ file: word, config: word })),
  positiveMs.map((agoMs) => ({ file: `-${formatDuration(agoMs)}`, config: { agoMs } })),
);

const samples: fc.Arbitrary<Sample> = fc
  .record({
    kafka: maybe(kafka),
    registry: maybe(registry),
    startFrom: maybe(start),
    checkpointEvery: maybe(positiveMs),
    metrics: maybe(prometheus),
    tables: maybe(postgres),
    deployment: maybe(word),
    prefix: maybe(word),
    resolveAfter: maybe(fc.integer({ min: 1, max: 1_000 })),
    datasets: fc.uniqueArray(dataset, { minLength: 1, maxLength: 3, selector: (item) => item.file.topic }),
    directories: fc.uniqueArray(word, { maxLength: 2 }),
    console: fc.boolean(),
  })
  .map(({ deployment, prefix, resolveAfter, datasets, directories, console, ...sample }) => ({
    file: {
      deployment,
      kafka: sample.kafka?.file,
      registry: sample.registry?.file,
      topics: { prefix },
      startFrom: sample.startFrom?.file,
      checkpointEvery: sample.checkpointEvery === undefined ? undefined : formatDuration(sample.checkpointEvery),
      alerts: { resolveAfter },
      datasets: datasets.map((item) => item.file),
      sinks: [
        ...(console ? [{ console: {} }] : []),
        ...directories.map((directory) => ({ file: { directory } })),
        ...[sample.metrics, sample.tables].flatMap((sink) => (sink === undefined ? [] : [sink.file])),
      ],
    },
    config: {
      deployment: deployment ?? "default",
      ...(sample.kafka === undefined ? {} : { kafka: sample.kafka.config }),
      ...(sample.registry === undefined ? {} : { registry: sample.registry.config }),
      topics: { prefix: prefix ?? "streamgauge." },
      startFrom: sample.startFrom?.config ?? "latest",
      checkpointEveryMs: sample.checkpointEvery ?? 30_000,
      alerts: { resolveAfter: resolveAfter ?? 1 },
      datasets: datasets.map((item) => item.config),
      sinks: [
        ...(console ? [{ kind: "console" as const }] : []),
        ...directories.map((directory) => ({ kind: "file" as const, directory })),
        ...[sample.metrics, sample.tables].flatMap((sink) => (sink === undefined ? [] : [sink.config])),
      ],
    },
  }));

describe("loadConfig()", () => {
  test("gives back what any allowed file says", async () => {
    await fc.assert(
      fc.asyncProperty(samples, fc.constantFrom("BLOCK", "FLOW"), async ({ file, config }, style) => {
        const text = stringify(file, { collectionStyle: style === "FLOW" ? "flow" : "block" });
        expect((await load(text)).config).toEqual(config);
      }),
      { seed: SEED, numRuns: 150 },
    );
  });

  test("throws nothing but a ConfigError with places inside the file, whatever node is damaged", async () => {
    let refusedCount = 0;
    await fc.assert(
      fc.asyncProperty(samples, damages, fc.nat(), async ({ file }, damage, at) => {
        const plain: unknown = JSON.parse(
          JSON.stringify(file, (_key, value) => (value instanceof Map ? Object.fromEntries(value) : value)),
        );
        const holders = holdersOf(plain);
        const [holder, key] = holders[at % holders.length]!;
        damage(holder, key);
        const text = stringify(plain);
        const error = await failure(text);
        if (error === undefined) return;
        refusedCount++;
        expectPlacesInside(text, error.problems);
      }),
      { seed: SEED, numRuns: 200 },
    );
    // Deleting an optional key is no mistake; most other damage is.
    expect(refusedCount).toBeGreaterThan(100);
  });

  test("throws nothing but a ConfigError with places inside the file, whatever character is damaged", async () => {
    const hostile = fc.constantFrom(
      "",
      "\t",
      "\n",
      "\r\n",
      ":",
      "- ",
      "[",
      "}",
      "'",
      '"',
      "&a ",
      "*a",
      "!!x ",
      "#",
      "\0",
      "\ud800",
      "---\n",
      "${",
      "<<: ",
      "? ",
      "|",
      ">",
      "%",
      "@",
    );
    let refusedCount = 0;
    await fc.assert(
      fc.asyncProperty(
        samples,
        fc.array(fc.tuple(fc.nat(), fc.nat(3), hostile), { minLength: 1, maxLength: 3 }),
        async ({ file }, edits) => {
          let text = stringify(file);
          for (const [at, removed, added] of edits) {
            const offset = at % text.length;
            text = text.slice(0, offset) + added + text.slice(offset + removed);
          }
          const error = await failure(text);
          if (error === undefined) return;
          refusedCount++;
          expectPlacesInside(text, error.problems);
        },
      ),
      { seed: SEED, numRuns: 200 },
    );
    expect(refusedCount).toBeGreaterThan(100);
  });
});

describe("expectPlacesInside()", () => {
  test.each([
    [0, 1],
    [3, 1],
    [1, 0],
    [1, 6],
    [2, 3],
  ])("refuses line %d, column %d of a text of two lines", (line, column) => {
    expect(() => expectPlacesInside("a: b\nc", [{ line, column, message: "x" }])).toThrow();
  });
});

type Holder = Record<string, unknown>;
type Damage = (holder: Holder, key: string) => void;

const damages: fc.Arbitrary<Damage> = fc.oneof(
  fc.constant<Damage>((holder, key) => {
    delete holder[key];
  }),
  fc.constant<Damage>((holder, key) => {
    holder[`${key}x`] = holder[key];
    delete holder[key];
  }),
  fc.anything({ withNullPrototype: false, maxDepth: 3 }).map<Damage>((value) => {
    const json: unknown = JSON.parse(JSON.stringify(value) ?? "null");
    return (holder, key) => {
      holder[key] = json;
    };
  }),
);

/** Every place of the tree as the object that holds it and its key there. */
function holdersOf(value: unknown): [holder: Holder, key: string][] {
  if (typeof value !== "object" || value === null) return [];
  const holder = value as Holder;
  return Object.keys(holder).flatMap((key) => [[holder, key] as [Holder, string], ...holdersOf(holder[key])]);
}

function expectPlacesInside(
  text: string,
  problems: readonly { line: number; column: number; message: string }[],
): void {
  const lines = text.split("\n");
  expect(problems.length).toBeGreaterThan(0);
  for (const { line, column, message } of problems) {
    expect(line).toBeGreaterThanOrEqual(1);
    expect(line).toBeLessThanOrEqual(lines.length);
    expect(column).toBeGreaterThanOrEqual(1);
    expect(column).toBeLessThanOrEqual(lines[line - 1]!.length + 1);
    expect(message).not.toBe("");
  }
}
