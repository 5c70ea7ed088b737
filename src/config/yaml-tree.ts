/**
 * YAML 1.2 text → a tree whose every node knows its place. What is refused here: syntax errors, tabs as indentation,
 * duplicate keys, unknown tags, a second document, aliases that refer to themselves or grow the file beyond a limit.
 */
import type { Pair, ParsedNode, YAMLError } from "yaml";
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, Parser } from "yaml";
import { quoted } from "./quoted.ts";
import { namesSecret, SECRET_NAMES } from "./shown.ts";

interface Located {
  /** For people: `datasets[0].windows.sizes[1]`. */
  readonly path: string;
  /** Of the value; that of its key when the value is empty. */
  readonly offset: number;
  /** Of its key; that of the value for the root and for list items. */
  readonly keyOffset: number;
  /** A mistake was found here already: what stands here is not looked at any more. */
  skip?: true;
}

export interface ScalarNode extends Located {
  readonly kind: "scalar";
  value: string | number | boolean | null;
  /** Neither quoted nor a block: its type follows from its text. */
  readonly plain: boolean;
  /** Text before interpolation, when there was something to interpolate: its value may be a secret. */
  source?: string;
  /** What it would be if it were read as the other of text and number: see `interpolate`. */
  otherValue?: string | number | boolean | null;
}

interface ListNode extends Located {
  readonly kind: "list";
  items: TreeNode[];
}

export interface MapNode extends Located {
  readonly kind: "map";
  /** A Map, so that `__proto__` is a key as any other. */
  readonly entries: Map<string, TreeNode>;
}

export type TreeNode = ScalarNode | ListNode | MapNode;

export interface Mistake {
  readonly offset: number;
  readonly path: string;
  readonly message: string;
}

export interface YamlTree {
  /** Absent when the text is empty or not YAML. */
  readonly root?: TreeNode;
  readonly mistakes: readonly Mistake[];
}

/** Levels of the parser; a configuration needs 20, and the composer behind it is recursive. */
const DEPTH_MAX = 100;
/** Nodes after expansion of aliases; the largest sensible file has a few thousand. */
const NODE_COUNT_MAX = 50_000;
/** Syntax errors of one file; one cause may give many. */
const SYNTAX_MISTAKES_MAX = 10;

export function parseYaml(text: string): YamlTree {
  const mistakes: Mistake[] = [];
  const contents = compose(text, mistakes);
  if (mistakes.length > 0 || contents === null) return { mistakes };
  const root = new TreeBuilder(mistakes).build(contents);
  return root === undefined ? { mistakes } : { root, mistakes };
}

/** The plain JSON-like value; objects have no prototype. */
export function toValue(node: TreeNode): unknown {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(toValue);
  const value: Record<string, unknown> = Object.create(null);
  for (const [key, child] of node.entries) value[key] = toValue(child);
  return value;
}

/** Follows a JSON pointer (RFC 6901) from the root; undefined when it leads through a node to be skipped. */
export function nodeAt(root: TreeNode, pointer: string): TreeNode | undefined {
  let node: TreeNode | undefined = root;
  for (const escaped of pointer.split("/").slice(1)) {
    if (node?.skip === true) return undefined;
    const segment = escaped.replaceAll("~1", "/").replaceAll("~0", "~");
    if (node?.kind === "list") node = node.items[Number(segment)];
    else node = node?.kind === "map" ? node.entries.get(segment) : undefined;
  }
  return node;
}

export function childPath(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`;
  if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(key)) return `${path}[${quoted(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}

function compose(text: string, mistakes: Mistake[]): ParsedNode | null {
  const lexer = new Lexer();
  const parser = new Parser();
  const tokens = [];
  for (const lexeme of lexer.lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > DEPTH_MAX) {
      mistakes.push({ offset: parser.offset, path: "", message: `nested deeper than ${DEPTH_MAX} levels` });
      return null;
    }
  }
  for (const token of parser.end()) tokens.push(token);
  const composer = new Composer({
    schema: "core",
    stringKeys: true,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "silent",
  });
  let contents: ParsedNode | null | undefined;
  for (const document of composer.compose(tokens, true, text.length)) {
    if (contents !== undefined) {
      const message = "a second document begins here: one file is one configuration, remove the line ---";
      mistakes.push({ offset: document.range[0], path: "", message });
      break;
    }
    contents = document.contents;
    addSyntaxMistakes([...document.errors, ...document.warnings], text, mistakes);
  }
  return contents ?? null;
}

/** The first of each line, and no mere consequences. */
function addSyntaxMistakes(errors: readonly YAMLError[], text: string, mistakes: Mistake[]): void {
  let lineEnd = -1;
  for (const error of [...errors].sort((a, b) => a.pos[0] - b.pos[0])) {
    const offset = error.pos[0];
    if (offset <= lineEnd) continue;
    // Once the parser has lost the structure, every following line is reported like this.
    if (mistakes.length > 0 && error.message.includes("token in YAML stream")) continue;
    if (mistakes.length === SYNTAX_MISTAKES_MAX) return;
    const next = text.indexOf("\n", offset);
    lineEnd = next === -1 ? text.length : next;
    const line = text.slice(text.lastIndexOf("\n", offset - 1) + 1, lineEnd);
    mistakes.push({ offset, path: "", message: syntaxMessage(error.code, withoutText(error.message, line), line) });
  }
}

const SECRET_LINE = new RegExp(`\\b(?:${SECRET_NAMES.join("|")})\\b`);

/** The parser quotes from the file; where a secret may stand, it may not. */
function withoutText(message: string, line: string): string {
  return SECRET_LINE.test(line) ? message.replace(/: .*$|(?<=escape sequence).*$/s, "") : message;
}

function syntaxMessage(code: YAMLError["code"], message: string, line: string): string {
  if (/[[{].*\$\{/.test(line)) {
    return `not YAML: ${lowerFirst(message)} — put \${…} into quotes inside { } and [ ]`;
  }
  switch (code) {
    case "TAB_AS_INDENT":
      return "not YAML: a tab as indentation — use spaces";
    case "BLOCK_AS_IMPLICIT_KEY":
      return 'not YAML: a second ": " in one line — put the text into quotes, or the second key on its own line';
    case "BAD_INDENT":
      if (message.startsWith("Flow ")) return "not YAML: a [ or { is not closed, or what is inside is not indented";
      return `not YAML: wrong indentation: ${lowerFirst(message)}`;
    case "NON_STRING_KEY":
      return "not a configuration: a key is a list or a mapping — keys are words; put {…} into quotes if it is text";
    case "TAG_RESOLVE_FAILED":
      return `not a configuration: ${lowerFirst(message)} — remove the tag`;
    default:
      if (message.includes("without -"))
        return "not YAML: wrong indentation: this is neither inside the item above nor a new one";
      return `not YAML: ${lowerFirst(message)}`;
  }
}

function lowerFirst(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}

type YamlValue = ParsedNode | null;

interface Position {
  readonly path: string;
  /** Absent for the root and for list items. */
  readonly keyOffset?: number;
}

class TreeBuilder {
  readonly #mistakes: Mistake[];
  /** Target of each alias, found in document order: an anchor may be defined twice. */
  readonly #targets = new Map<ParsedNode, ParsedNode>();
  /** Aliases being expanded, to find cycles. */
  readonly #open = new Set<ParsedNode>();
  #nodeCount = 0;

  constructor(mistakes: Mistake[]) {
    this.#mistakes = mistakes;
  }

  build(contents: ParsedNode): TreeNode | undefined {
    this.#resolveAliases(contents, new Map());
    const root = this.#node(contents, { path: "" });
    return this.#nodeCount > NODE_COUNT_MAX ? undefined : root;
  }

  #resolveAliases(node: YamlValue, anchors: Map<string, ParsedNode>): void {
    if (node === null) return;
    if (isAlias(node)) {
      const target = anchors.get(node.source);
      if (target !== undefined) this.#targets.set(node, target);
      return;
    }
    if (node.anchor !== undefined) anchors.set(node.anchor, node);
    if (isSeq(node)) for (const item of node.items) this.#resolveAliases(item, anchors);
    if (isMap(node)) for (const pair of node.items) this.#resolveAliases(pair.value, anchors);
  }

  #node(node: YamlValue, position: Position): TreeNode {
    const offset = node?.range[0] ?? position.keyOffset ?? 0;
    const located = {
      path: position.path,
      offset,
      keyOffset: position.keyOffset ?? offset,
    };
    this.#nodeCount++;
    if (this.#nodeCount > NODE_COUNT_MAX) {
      const message = `more than ${NODE_COUNT_MAX} values, aliases included`;
      return this.#nodeCount === NODE_COUNT_MAX + 1 ? this.#refused(located, message) : nothing(located);
    }
    if (node === null) return nothing(located);
    if (isAlias(node)) return this.#alias(node, position, located);
    if (isSeq(node)) return this.#list(node.items, located);
    if (isMap(node)) return this.#map(node.items, located);
    const value = isPlainValue(node.value) ? node.value : String(node.source ?? "");
    const empty = value === null && node.range[0] === node.range[1];
    return {
      ...located,
      offset: empty ? located.keyOffset : offset,
      kind: "scalar",
      value,
      plain: node.type === "PLAIN" && node.tag === undefined,
    };
  }

  #alias(alias: ParsedNode & { readonly source: string }, position: Position, located: Located): TreeNode {
    const target = this.#targets.get(alias);
    if (target === undefined || this.#open.has(target)) {
      const state = target === undefined ? "no anchor of this name stands before it" : "it refers to itself";
      if (namesSecret(located.path))
        return this.#refused(located, `alias: ${state} — put text that begins with * into quotes`);
      return this.#refused(located, `alias *${alias.source}: ${state}`);
    }
    this.#open.add(target);
    const node = this.#node(target, position);
    this.#open.delete(target);
    return node;
  }

  #list(items: readonly YamlValue[], located: Located): ListNode {
    const list: ListNode = { ...located, kind: "list", items: [] };
    for (const [index, item] of items.entries()) {
      list.items.push(this.#node(item, { path: childPath(located.path, index) }));
    }
    return list;
  }

  #map(pairs: readonly Pair<ParsedNode, ParsedNode | null>[], located: Located): MapNode {
    const map: MapNode = { ...located, kind: "map", entries: new Map() };
    for (const pair of pairs) {
      if (!isScalar(pair.key)) continue;
      const key = String(pair.key.value ?? "");
      const position = {
        path: childPath(located.path, key),
        keyOffset: pair.key.range?.[0] ?? located.offset,
      };
      if (map.entries.has(key)) {
        this.#refused({ ...position, offset: position.keyOffset }, `the key ${quoted(key)} stands here a second time`);
      } else {
        map.entries.set(key, this.#node(pair.value, position));
      }
    }
    return map;
  }

  #refused(located: Located, message: string): ScalarNode {
    this.#mistakes.push({ offset: located.keyOffset, path: located.path, message });
    return { ...nothing(located), skip: true };
  }
}

function nothing(located: Located): ScalarNode {
  return { ...located, offset: located.keyOffset, kind: "scalar", value: null, plain: true };
}

function isPlainValue(value: unknown): value is string | number | boolean | null {
  return value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}
