/** Reading values out of a tree of the right form: what is not there, or is of another kind, is undefined. */
import { parseDuration } from "./duration.ts";
import { shown } from "./shown.ts";
import type { MapNode, Mistake, TreeNode } from "./yaml-tree.ts";

export function child(node: MapNode | undefined, key: string): TreeNode | undefined {
  return node?.entries.get(key);
}

export function mapAt(node: MapNode | undefined, key: string): MapNode | undefined {
  const found = child(node, key);
  return found?.kind === "map" ? found : undefined;
}

export function mapsOf(node: TreeNode | undefined): MapNode[] {
  return node?.kind === "list" ? node.items.filter((item) => item.kind === "map") : [];
}

export function textOf(node: TreeNode | undefined): string | undefined {
  return node?.kind === "scalar" && typeof node.value === "string" ? node.value : undefined;
}

export function textAt(node: MapNode | undefined, key: string): string | undefined {
  return textOf(child(node, key));
}

export function numberAt(node: MapNode | undefined, key: string): number | undefined {
  const found = child(node, key);
  return found?.kind === "scalar" && typeof found.value === "number" ? found.value : undefined;
}

export function durationAt(node: MapNode | undefined, key: string): number | undefined {
  const found = child(node, key);
  return found?.kind === "scalar" ? parseDuration(found.value) : undefined;
}

export function mistake(node: TreeNode, message: string): Mistake {
  return { offset: node.offset, path: node.path, message };
}

/** A mistake for each text that stands in an earlier node. */
export function checkDistinct(nodes: readonly (TreeNode | undefined)[], what: string, mistakes: Mistake[]): void {
  const firsts = new Map<string, TreeNode>();
  for (const node of nodes) {
    const text = textOf(node);
    if (node === undefined || text === undefined) continue;
    const first = firsts.get(text);
    if (first === undefined) firsts.set(text, node);
    else mistakes.push(mistake(node, `the ${what} ${shown(node)} is that of ${first.path} already`));
  }
}
