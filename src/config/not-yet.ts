/**
 * Keys and commands: what does not work in this version is refused; what a command does without is accepted with a
 * notice, so that one file serves every command; what it needs must be there.
 */
import { flow } from "./explain-value.ts";
import type { ConfigCommand } from "./load-config.ts";
import { CONFIG_SCHEMA } from "./schema.ts";
import type { KeySchema } from "./schema-parts.ts";
import { VERSION } from "./version.ts";
import type { MapNode, Mistake, TreeNode } from "./yaml-tree.ts";

/** Without these nothing can be consumed. */
const CONNECTIONS = ["kafka", "registry"] as const;
/** What speaks of Kafka, or of results that leave otherwise than into the files that the command names. */
const UNUSED_KEYS = [...CONNECTIONS, "startFrom", "checkpointEvery", "sinks"] as const;

/** Keys of the whole file that the command cannot do without, besides `datasets`. */
export function neededKeys(command: ConfigCommand): readonly string[] {
  if (command === "ledger") return ["kafka"];
  return command === "run" || command === "doctor" ? CONNECTIONS : [];
}

/** Says so of each refused key; what stands below it is skipped. */
export function refuseNotYet(root: MapNode, mistakes: Mistake[]): void {
  refuse(root, CONFIG_SCHEMA, mistakes);
}

function refuse(node: TreeNode, schema: KeySchema, mistakes: Mistake[]): void {
  if (node.kind === "list" && schema.items !== undefined) {
    for (const item of node.items) refuse(item, schema.items, mistakes);
  }
  if (node.kind !== "map" || schema.properties === undefined) return;
  for (const [key, child] of node.entries) {
    const childSchema = Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
    if (childSchema?.["x-not-yet"] === true) {
      const message = `the key "${key}" is known but does not work yet in this version (${VERSION}) — remove it`;
      mistakes.push({ offset: child.keyOffset, path: child.path, message });
      child.skip = true;
    } else if (childSchema !== undefined) {
      refuse(child, childSchema, mistakes);
    }
  }
}

/**
 * What is right but has no effect, and what is missing for other commands: `validate` takes a file as `run` would,
 * except that one for `replay` alone, without connections, is no mistake.
 */
export function noticesOf(root: MapNode, command: ConfigCommand): Mistake[] {
  switch (command) {
    case "run":
    case "doctor":
    case "ledger":
      return [];
    case "validate":
      return CONNECTIONS.filter((key) => !root.entries.has(key)).map((key) => {
        const example = flow(CONFIG_SCHEMA.properties?.[key]?.examples?.[0]);
        const message = `the key "${key}" is missing: run and doctor need it — for example ${key}: ${example}`;
        return { offset: root.offset, path: "", message };
      });
    case "replay":
    case "demo":
    case "profile":
      return UNUSED_KEYS.flatMap((key) => {
        const child = root.entries.get(key);
        if (child === undefined) return [];
        return [{ offset: child.keyOffset, path: child.path, message: `not used by ${command}` }];
      });
    default:
      return command satisfies never;
  }
}
