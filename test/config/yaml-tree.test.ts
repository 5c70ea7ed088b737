import { describe, expect, test } from "vitest";
import { parseYaml, toValue } from "../../src/config/yaml-tree.ts";
import { failure, load, mistakes } from "./load.ts";

const SYNTAX: readonly (readonly [text: string, lines: readonly string[]])[] = [
  [
    "a: b: c\n",
    ['1:4 not YAML: a second ": " in one line — put the text into quotes, or the second key on its own line'],
  ],
  ["datasets:\n\t- topic: t\n", ["2:1 not YAML: a tab as indentation — use spaces"]],
  ["datasets: [{topic: t}\n", ["1:22 not YAML: a [ or { is not closed, or what is inside is not indented"]],
  [
    "datasets:\n  - topic: t\n   windows: {}\n",
    ["3:1 not YAML: wrong indentation: this is neither inside the item above nor a new one"],
  ],
  ["topic: 'abc\n", ["1:12 not YAML: missing closing 'quote"]],
  [
    "datasets: [{topic: t}]\n---\ndatasets: [{topic: t}]\n",
    ["2:1 a second document begins here: one file is one configuration, remove the line ---"],
  ],
  [
    "? [a]\n: b\n",
    ["1:3 not a configuration: a key is a list or a mapping — keys are words; put {…} into quotes if it is text"],
  ],
  ["datasets: !secret x\n", ["1:11 not a configuration: unresolved tag: !secret — remove the tag"]],
  [
    "datasets: &a [*a]\n",
    [
      "1:14 datasets[0]: expected a mapping with topic, impact, schema, producerHeader, flushEvery, time, windows, slices, fields, pairs, detect, quarantine, got a list",
      "1:15 datasets[0][0]: alias *a: it refers to itself",
    ],
  ],
  ["datasets: *none\n", ["1:1 datasets: alias *none: no anchor of this name stands before it"]],
  [
    "<<: 1\ndatasets: [{topic: t}]\n",
    ['1:1 ["<<"]: unknown key "<<" — merge keys are not YAML 1.2: use an alias for a whole value'],
  ],
  [
    `datasets: [{topic: \${T}}]\n`,
    [`1:21 not YAML: unexpected flow-map-start at node end — put \${…} into quotes inside { } and [ ]`],
  ],
  [
    "datasets: {{ x }}\n",
    ["1:12 not a configuration: a key is a list or a mapping — keys are words; put {…} into quotes if it is text"],
  ],
  ["datasets: @x\n", ["1:11 not YAML: plain value cannot start with reserved character @"]],
  ["datasets: %x\n", ["1:11 not YAML: plain value cannot start with directive indicator character %"]],
  ["a:\n - b\n c\n", ["3:1 not YAML: wrong indentation: all mapping items must start at the same column"]],
  ["datasets: [{topic: t}]]\n", ['1:23 not YAML: unexpected flow-seq-end token in YAML stream: "]"']],
];

describe("YAML", () => {
  test.each(SYNTAX)("%j is explained", async (text, lines) => {
    expect(await mistakes(text)).toEqual(lines);
  });

  test("a mistake of syntax is reported once, not with everything behind it", async () => {
    const lines = await mistakes("datasets:\n  - topic: [t\n    time: {}\n    slices: []\n    fields: {}\nsinks: []\n");
    expect(lines.length).toBeLessThanOrEqual(2);
    expect(lines[0]).toMatch(/^[23]:\d+ not YAML: /);
  });

  test("two mistakes of syntax on two lines are both reported", async () => {
    const lines = await mistakes("datasets:\n  - topic: t: u\n    schema: v: w\n");
    expect(lines.map((line) => line.split(" ")[0])).toEqual(["2:12", "3:13"]);
  });

  test("a byte order mark, CRLF and comments do not move columns", async () => {
    const text = "\ufeff# héllo\r\ndatasets:\r\n  - topic: t\r\n    flushEvery: 5 s # why\r\n";
    expect(await mistakes(text)).toEqual([
      '4:17 datasets[0].flushEvery: expected a duration greater than 0 such as 5s, got "5 s" — did you mean "5s"?',
    ]);
    expect(await mistakes("\ufeffdeployment: a b\ndatasets: [{topic: t}]")).toEqual([
      '1:13 deployment: expected a name of letters, digits, ., _ and - such as prod, got "a b"',
    ]);
  });

  test("anchors and aliases are values, and a mistake in one is placed where it is written", async () => {
    const text = "datasets:\n  - topic: a\n    windows: &w { sizes: [1h, 1d] }\n  - topic: b\n    windows: *w\n";
    const { config } = await load(text);
    expect(config.datasets.map((dataset) => dataset.windows.sizesMs)).toEqual([
      [3_600_000, 86_400_000],
      [3_600_000, 86_400_000],
    ]);
    expect(await mistakes(text.replace("1d", "1 d"))).toEqual([
      expect.stringMatching(/^3:31 datasets\[0\]\.windows\.sizes\[1\]: /),
      expect.stringMatching(/^3:31 datasets\[1\]\.windows\.sizes\[1\]: /),
    ]);
  });

  test("an anchor that is defined twice means the definition before the alias", () => {
    const { root } = parseYaml("a: &x 1\nb: &y [*x]\nc: &x 2\nd: [*x, *y]\n");
    expect(root && toValue(root)).toEqual({ a: 1, b: [1], c: 2, d: [2, [1]] });
  });

  test("an alias bomb is refused with its place", async () => {
    const levels = Array.from({ length: 12 }, (_, level) => {
      const items = level === 0 ? "x" : `*a${level - 1}`;
      return `a${level}: &a${level} [${Array(12).fill(items).join(", ")}]`;
    });
    const error = await failure(`${levels.join("\n")}\n`);
    expect(error?.problems).toHaveLength(1);
    expect(error?.problems[0]?.message).toBe("more than 50000 values, aliases included");
  });

  test.each([
    ["lists", "- ".repeat(100_000)],
    ["flow lists", "[".repeat(100_000)],
    ["flow mappings", "{a: ".repeat(100_000)],
    ["keys", "? ".repeat(100_000)],
  ])("100,000 nested %s are refused before anything recursive sees them", async (_name, text) => {
    const error = await failure(text);
    expect(error?.problems.map((problem) => problem.message)).toEqual(["nested deeper than 100 levels"]);
    expect(error?.problems[0]?.line).toBe(1);
  });

  test("nesting below the limit is a mistake of form only", async () => {
    const deep = `datasets: ${"[".repeat(40)}${"]".repeat(40)}\n`;
    expect((await mistakes(deep))[0]).toMatch(/^1:12 datasets\[0\]: expected a mapping with topic/);
  });

  test("a file of more than 1 MB is refused", async () => {
    expect(await mistakes(`# ${"x".repeat(1_000_000)}`)).toEqual([
      "1:1 larger than 1 MB: a configuration is a page or two of text",
    ]);
    expect(await mistakes(`datasets: [{topic: t}]\n# ${"é".repeat(400_000)}`)).toEqual([]);
  });

  test("__proto__, constructor and toString are keys as any other", async () => {
    const text =
      "datasets:\n  - topic: t\n    fields:\n      __proto__: {values: hide}\n      constructor: {values: show}\n";
    const { config } = await load(text);
    expect([...(config.datasets[0]?.fields ?? [])]).toEqual([
      ["__proto__", { values: "hide" }],
      ["constructor", { values: "show" }],
    ]);
    expect(await mistakes("datasets:\n  - __proto__: {topic: t}\n    constructor: 1\n    toString: {}\n")).toEqual([
      expect.stringMatching(/^2:5 datasets\[0\]\.__proto__: unknown key "__proto__"/),
      '2:5 datasets[0]: the key "topic" is missing — for example topic: trips',
      expect.stringMatching(/^3:5 datasets\[0\]\.constructor: unknown key "constructor"/),
      expect.stringMatching(/^4:5 datasets\[0\]\.toString: unknown key "toString"/),
    ]);
    expect(Object.hasOwn(Object.prototype, "topic")).toBe(false);
  });

  test("words are those of YAML 1.2: no, yes and off are text", async () => {
    const { config } = await load("deployment: no\ndatasets: [{topic: off}]\n");
    expect([config.deployment, config.datasets[0]?.topic]).toEqual(["no", "off"]);
  });
});
