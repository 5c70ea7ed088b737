import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type ErrorCode, EXIT_CODES, StreamgaugeError } from "../../src/core/errors.ts";

const EXIT_OF: Readonly<Record<ErrorCode, number>> = {
  SG_CONFIG: 2,
  SG_INPUT: 2,
  SG_SCHEMA: 2,
  SG_CONNECT: 3,
  SG_CORRUPT: 4,
  SG_VERSION: 4,
  SG_FENCED: 5,
};
const CODES = Object.keys(EXIT_OF) as ErrorCode[];

describe("StreamgaugeError", () => {
  test.each(CODES)("%s ends the process with its exit code", (code) => {
    expect(new StreamgaugeError(code, "why").exitCode).toBe(EXIT_OF[code]);
  });

  test("is an error with a name, a code, a message and what caused it", () => {
    const cause = new RangeError("below");
    const error = new StreamgaugeError("SG_CORRUPT", "Cannot read profile: 3 bytes", { cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: "StreamgaugeError", code: "SG_CORRUPT", cause });
    expect(String(error)).toBe("StreamgaugeError: Cannot read profile: 3 bytes");
  });
});

describe("EXIT_CODES", () => {
  test("are what scripts rely on", () => {
    expect(EXIT_CODES).toEqual({
      ok: 0,
      rulesFailed: 1,
      configuration: 2,
      connection: 3,
      internal: 4,
      fenced: 5,
      interrupted: 130,
    });
  });
});

describe("ErrorCode", () => {
  test("has these codes and no other, each with a line that says when", () => {
    const source = readFileSync(new URL("../../src/core/errors.ts", import.meta.url), "utf8");
    const explained = [...source.matchAll(/\/\*\* [^\n]+ \*\/\n {2}\| "(SG_\w+)"/g)].map((match) => match[1]);
    expect(explained.sort()).toEqual([...CODES].sort());
  });
});

describe("README, exit codes", () => {
  /** Rows of the table: the exit code and the error codes that raise it. */
  const rows = readmeRows();

  test("has every error code once, in the row of its exit code", () => {
    const documented = rows.flatMap(({ exitCode, codes }) => codes.map((code) => [code, exitCode]));
    expect(documented.sort()).toEqual(Object.entries(EXIT_OF).sort());
  });

  test("has only exit codes that there are, each once", () => {
    const known: readonly number[] = Object.values(EXIT_CODES);
    const listed = rows.map(({ exitCode }) => exitCode);
    expect(new Set(listed).size).toBe(listed.length);
    expect(listed.filter((exitCode) => !known.includes(exitCode))).toEqual([]);
    expect(listed).toEqual(expect.arrayContaining([0, 2, 3, 4, 5, 130]));
  });
});

function readmeRows(): { exitCode: number; codes: string[] }[] {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const section = readme.split("## Exit codes")[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/^\| (\d+) .*$/gm)].map(([line, exitCode]) => ({
    exitCode: Number(exitCode),
    codes: line.match(/SG_\w+/g) ?? [],
  }));
}
