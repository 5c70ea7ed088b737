/** Keys that belong to a configuration but do not work in this version: refused, or accepted with a notice. */
import { CONFIG_SCHEMA } from "./schema.ts";
import type { KeySchema } from "./schema-parts.ts";
import { VERSION } from "./version.ts";
import type { MapNode, Mistake, TreeNode } from "./yaml-tree.ts";

/** Accepted and checked everywhere, so that one file serves every command and the versions to come. */
const UNUSED_KEYS = ["kafka", "registry"] as const;

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

/** Blocks that are right but that `command` does not use. */
export function unusedBlocks(root: MapNode, command: string): Mistake[] {
  return UNUSED_KEYS.flatMap((key) => {
    const child = root.entries.get(key);
    if (child === undefined) return [];
    return [{ offset: child.keyOffset, path: child.path, message: `not used by ${command} in version ${VERSION}` }];
  });
}
