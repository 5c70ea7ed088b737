import { describe, expect, test } from "vitest";
import { editDistance, nearest } from "../../src/core/nearest.ts";

describe("editDistance()", () => {
  test.each([
    ["", "", 0],
    ["abc", "abc", 0],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
    ["topci", "topic", 1],
    ["ca", "abc", 3],
  ])("%j to %j is %d", (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
});

describe("nearest()", () => {
  const keys = ["field", "lateness", "idleAfter", "by"];

  test.each([
    ["feild", "field"],
    ["idle_after", "idleAfter"],
    ["IDLE-AFTER", "idleAfter"],
    ["latenes", "lateness"],
    ["bye", "by"],
  ])("%s is %s", (word, key) => {
    expect(nearest(word, keys)).toBe(key);
  });

  test.each(["x", "timestamp", "", "z".repeat(100_000)])("finds nothing near %.20s", (word) => {
    expect(nearest(word, keys)).toBeUndefined();
  });
});
