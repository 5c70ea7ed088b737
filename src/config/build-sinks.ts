/** The sinks. */
import type { SinkConfig } from "../core/config.ts";
import { buildTls } from "./build-tls.ts";
import { checkDistinct, child, mapAt, mistake, numberAt, textAt, textOf } from "./read-tree.ts";
import { MASK } from "./shown.ts";
import type { MapNode, Mistake, TreeNode } from "./yaml-tree.ts";

export function buildSinks(nodes: readonly MapNode[], mistakes: Mistake[]): SinkConfig[] {
  checkDistinct(
    nodes.map((node) => child(mapAt(node, "file"), "directory")),
    "directory",
    mistakes,
  );
  const sinks = nodes.map((node) => buildSink(node, mistakes));
  checkPlaces(nodes, sinks, mistakes);
  return sinks;
}

function buildSink(node: MapNode, mistakes: Mistake[]): SinkConfig {
  const file = mapAt(node, "file");
  if (file !== undefined) return { kind: "file", directory: textAt(file, "directory") ?? "" };
  if (child(node, "prometheus") !== undefined) {
    const options = mapAt(node, "prometheus");
    return {
      kind: "prometheus",
      host: textAt(options, "host") ?? "127.0.0.1",
      port: numberAt(options, "port") ?? 9_464,
      maxSeries: numberAt(options, "maxSeries") ?? 2_000,
    };
  }
  const postgres = mapAt(node, "postgres");
  if (postgres === undefined) return { kind: "console" };
  const url = child(postgres, "url");
  if (url !== undefined) checkPostgresUrl(url, mistakes);
  const tls = buildTls(postgres, mistakes);
  return {
    kind: "postgres",
    url: textOf(url) ?? "",
    schema: textAt(postgres, "schema") ?? "streamgauge",
    ...(tls === undefined ? {} : { tls }),
  };
}

function checkPostgresUrl(node: TreeNode, mistakes: Mistake[]): void {
  const text = textOf(node) ?? "";
  try {
    const url = new URL(text);
    // What a client decodes later must be decodable.
    decodeURIComponent(url.username + url.password + url.pathname);
  } catch {
    const message = `expected a URL such as postgres://localhost/streamgauge, got ${MASK}`;
    mistakes.push(mistake(node, `${message} — signs such as @ / # % in the password are written as %40 %2F %23 %25`));
  }
}

/** Two sinks in one place would overwrite each other, or fight for a port. */
function checkPlaces(nodes: readonly MapNode[], sinks: readonly SinkConfig[], mistakes: Mistake[]): void {
  const firsts = new Map<string, TreeNode>();
  for (const [index, sink] of sinks.entries()) {
    let place: string | undefined;
    if (sink.kind === "prometheus" && sink.port !== 0) place = `port ${sink.port}`;
    if (sink.kind === "postgres") place = `${sink.url} ${sink.schema}`;
    const node = child(nodes[index], sink.kind);
    if (place === undefined || node === undefined) continue;
    const first = firsts.get(place);
    if (first === undefined) {
      firsts.set(place, node);
      continue;
    }
    const what = sink.kind === "postgres" ? `the schema "${sink.schema}" of the same database` : `the ${place}`;
    mistakes.push({ offset: node.keyOffset, path: node.path, message: `${what} is that of ${first.path} already` });
  }
}
