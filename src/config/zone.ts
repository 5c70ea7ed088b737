/** The time zone in which windows of whole days begin. */
import { nearest } from "../core/nearest.ts";
import { shown } from "./shown.ts";
import type { Mistake, TreeNode } from "./yaml-tree.ts";

/** The zone's name; `UTC` when none stands there, and after a mistake. */
export function checkedTimezone(node: TreeNode | undefined, mistakes: Mistake[]): string {
  if (node?.kind !== "scalar" || typeof node.value !== "string") return "UTC";
  const name = node.value;
  const canonical = canonicalName(name);
  // Offsets such as +01:00 know no daylight saving, and not every version of Node takes them.
  if (canonical !== undefined && /^[A-Za-z]/.test(name)) {
    return canonical.toLowerCase() === name.toLowerCase() ? canonical : name;
  }
  const guess = node.source === undefined ? guessZone(name) : undefined;
  const hint = guess === undefined ? "" : ` — did you mean "${guess}"?`;
  const message = `expected an IANA time zone such as Europe/Berlin, got ${shown(node)}${hint}`;
  mistakes.push({ offset: node.offset, path: node.path, message });
  return "UTC";
}

function canonicalName(name: string): string | undefined {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

function guessZone(name: string): string | undefined {
  const zones = ["UTC", ...Intl.supportedValuesOf("timeZone")];
  const city = name.toLowerCase().replaceAll(/[ -]/g, "_");
  return zones.find((zone) => zone.toLowerCase().endsWith(`/${city}`)) ?? nearest(name, zones);
}
