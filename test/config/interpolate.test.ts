import { describe, expect, test } from "vitest";
import type { LoadOptions } from "../../src/config/load-config.ts";
import { load, mistakes } from "./load.ts";

const FILES: Readonly<Record<string, string>> = {
  "secrets/name": "from-file\n",
  "conf/near": "near\r\n",
  "/abs/name": "far",
};

function readFile(name: string): string {
  const text = FILES[name];
  if (text === undefined) throw new Error("there is no such file");
  return text;
}

async function deployment(value: string, env: LoadOptions["env"] = {}, file = "streamgauge.yaml"): Promise<string> {
  const { config } = await load(`deployment: ${value}\ndatasets: [{topic: t}]\n`, { env, file, readFile });
  return config.deployment;
}

async function mistakesOf(value: string, env: LoadOptions["env"] = {}): Promise<string[]> {
  return mistakes(`deployment: ${value}\ndatasets: [{topic: t}]\n`, { env, readFile });
}

describe("interpolation", () => {
  test.each([
    [`\${A}`, { A: "prod" }, "prod"],
    [`x-\${A}.\${B}`, { A: "1", B: "2" }, "x-1.2"],
    [`\${A:-fallback}`, {}, "fallback"],
    [`\${A:-fallback}`, { A: "" }, "fallback"],
    [`\${A:-fallback}`, { A: "set" }, "set"],
    [`\${A:?needed}`, { A: "set" }, "set"],
    [`"\${A}"`, { A: "prod" }, "prod"],
    [`'\${A}'`, { A: "prod" }, "prod"],
    [`\${file:secrets/name}`, {}, "from-file"],
    [`\${file:/abs/name}`, {}, "far"],
    [`\${A}`, { A: "2024" }, "2024"],
    [`"\${A}"`, { A: "2024" }, "2024"],
    [`\${A}`, { A: "true" }, "true"],
  ])("%s with %j is %s", async (value, env, expected) => {
    expect(await deployment(value, env as LoadOptions["env"])).toBe(expected);
  });

  test("a file is found relative to the configuration", async () => {
    expect(await deployment(`\${file:near}`, {}, "conf/streamgauge.yaml")).toBe("near");
  });

  test.each([
    [`limit: \${N}`, 7],
    [`limit: "\${N}"`, 7],
    [`limit: \${N}0`, 70],
  ])("numbers stay numbers: %s", async (limit, expected) => {
    const { config } = await load(`datasets:\n  - topic: t\n    slices:\n      - by: a\n        ${limit}\n`, {
      env: { N: "7" },
    });
    expect(config.datasets[0]?.slices[0]?.limit).toBe(expected);
  });

  test("what is put in is text: it cannot become a list, a key or another reference", async () => {
    const env = { A: "[a, b]", B: "x: y", C: `\${D}`, D: "secret" };
    for (const name of ["A", "B", "C"]) {
      expect(await mistakesOf(`\${${name}}`, env)).toEqual([
        `1:13 deployment: expected a name of letters, digits, ., _ and - such as prod, got what "\${${name}}" stands for`,
      ]);
    }
  });

  test("a value that came in is not shown in a message: it may be a secret", async () => {
    const lines = await mistakes(`datasets:\n  - topic: t\n    flushEvery: \${S}\n    windows: {timezone: "\${S}"}\n`, {
      env: { S: "hunter2" },
    });
    expect(lines).toEqual([
      `3:17 datasets[0].flushEvery: expected a duration greater than 0 such as 5s, got what "\${S}" stands for`,
      `4:25 datasets[0].windows.timezone: expected an IANA time zone such as Europe/Berlin, got what "\${S}" stands for`,
    ]);
  });

  test.each([
    [`\${A}`, `the environment variable A is not set — set it, or write \${A:-default}`],
    [`\${__proto__}`, `the environment variable __proto__ is not set — set it, or write \${__proto__:-default}`],
    [`\${A:?say where you are}`, "the environment variable A is not set: say where you are"],
    [`\${file:gone}`, 'cannot read the file "gone": there is no such file'],
    [`\${file:}`, "expected the name of a file after file:"],
    [`\${A`, `the } of "\${A" is missing`],
    [
      `\${A-b}`,
      `cannot read "\${A-b}": expected \${NAME}, \${NAME:-default}, \${NAME:?why} or \${file:NAME} — write $\${ for the text \${`,
    ],
    [
      `\${}`,
      `cannot read "\${}": expected \${NAME}, \${NAME:-default}, \${NAME:?why} or \${file:NAME} — write $\${ for the text \${`,
    ],
  ])("%s is a mistake with its place", async (value, message) => {
    expect(await mistakesOf(value)).toEqual([`1:13 deployment: ${message}`]);
  });

  test("every unset variable is reported", async () => {
    expect(await mistakesOf(`\${A}\${B}`)).toHaveLength(2);
  });

  test("comments and keys are left alone", async () => {
    expect(await deployment(`prod # \${NOT_SET}`)).toBe("prod");
    expect(await mistakes(`\${NOT_SET}: 1\ndatasets: [{topic: t}]\n`)).toEqual([
      expect.stringMatching(/^1:1 \["\$\{NOT_SET\}"\]: unknown key "\$\{NOT_SET\}" — expected one of/),
    ]);
  });

  test(`$\${ stands for \${`, async () => {
    const { config } = await load(`datasets:\n  - topic: t\n    schema: {type: string, doc: "$\${A} and $\${B}"}\n`);
    expect(config.datasets[0]?.schema).toBe(`{"type":"string","doc":"\${A} and \${B}"}`);
  });
});
