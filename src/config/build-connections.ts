/** Kafka and the schema registry: how to reach them, and how to log in. */
import type { KafkaConfig, RegistryConfig, SaslConfig } from "../core/config.ts";
import { buildTls } from "./build-tls.ts";
import { checkDistinct, child, mapAt, mistake, textAt, textOf } from "./read-tree.ts";
import type { KeySchema } from "./schema-parts.ts";
import { shownOf } from "./shown.ts";
import type { MapNode, Mistake, TreeNode } from "./yaml-tree.ts";

export function buildKafka(node: MapNode | undefined, mistakes: Mistake[]): KafkaConfig | undefined {
  if (node === undefined) return undefined;
  const list = child(node, "brokers");
  const brokers = list?.kind === "list" ? list.items : [];
  checkDistinct(brokers, "broker", mistakes);
  for (const broker of brokers) checkPort(broker, mistakes);
  const tls = buildTls(node, mistakes);
  const sasl = buildSasl(mapAt(node, "sasl"), mistakes);
  const client = textAt(node, "client") as KafkaConfig["client"];
  return {
    brokers: brokers.map((broker) => textOf(broker) ?? ""),
    group: textAt(node, "group") ?? "streamgauge",
    ...(client === undefined ? {} : { client }),
    ...(tls === undefined ? {} : { tls }),
    ...(sasl === undefined ? {} : { sasl }),
  };
}

function checkPort(broker: TreeNode, mistakes: Mistake[]): void {
  const port = Number(/\d+$/.exec(textOf(broker) ?? "")?.[0]);
  if (port >= 1 && port <= 65_535) return;
  mistakes.push(mistake(broker, `expected a port from 1 to 65535, got ${shownOf(broker, SHOWN_AS_URL)}`));
}

const OF_PASSWORD = ["username", "password"] as const;
const OF_OAUTH = ["tokenUrl", "clientId", "clientSecret", "scope"] as const;

/** Undefined when there is none, and after a mistake. */
function buildSasl(node: MapNode | undefined, mistakes: Mistake[]): SaslConfig | undefined {
  const mechanism = textAt(node, "mechanism");
  if (node === undefined || mechanism === undefined) return undefined;
  const usesOauth = mechanism === "oauthbearer";
  for (const key of usesOauth ? OF_PASSWORD : OF_OAUTH) {
    const unused = child(node, key);
    if (unused === undefined) continue;
    const message = `not used by the mechanism ${mechanism} — remove it, or choose another mechanism`;
    mistakes.push({ offset: unused.keyOffset, path: unused.path, message });
  }
  if (usesOauth) {
    checkUrl(child(node, "tokenUrl"), "clientId and clientSecret", mistakes);
    const scope = textAt(node, "scope");
    return {
      mechanism,
      tokenUrl: textAt(node, "tokenUrl") ?? "",
      clientId: textAt(node, "clientId") ?? "",
      clientSecret: textAt(node, "clientSecret") ?? "",
      ...(scope === undefined ? {} : { scope }),
    };
  }
  return {
    mechanism: mechanism as "plain" | "scram-sha-256" | "scram-sha-512",
    username: textAt(node, "username") ?? "",
    password: textAt(node, "password") ?? "",
  };
}

export function buildRegistry(node: MapNode | undefined, mistakes: Mistake[]): RegistryConfig | undefined {
  if (node === undefined) return undefined;
  const urlNode = child(node, "url");
  const url = checkUrl(urlNode, "registry.auth", mistakes);
  if (urlNode !== undefined && url !== undefined && (url.search !== "" || url.hash !== "")) {
    mistakes.push(mistake(urlNode, `expected a URL without ? and #, got ${shownOf(urlNode, SHOWN_AS_URL)}`));
  }
  const tls = buildTls(node, mistakes);
  const tlsNode = child(node, "tls");
  if (tlsNode !== undefined && url !== undefined && (tls !== undefined) !== (url.protocol === "https:")) {
    const message = `the URL begins with ${url.protocol}//, which decides whether TLS is used — change it, or remove tls`;
    mistakes.push({ offset: tlsNode.keyOffset, path: tlsNode.path, message });
  }
  const auth = buildAuth(mapAt(node, "auth"), mistakes);
  const cacheDirectory = textAt(node, "cache");
  return {
    url: textOf(urlNode) ?? "",
    ...(auth === undefined ? {} : { auth }),
    ...(tls === undefined ? {} : { tls }),
    ...(cacheDirectory === undefined ? {} : { cacheDirectory }),
  };
}

function buildAuth(node: MapNode | undefined, mistakes: Mistake[]): RegistryConfig["auth"] {
  if (node === undefined) return undefined;
  const token = child(node, "token");
  const beside = child(node, "username") ?? child(node, "password");
  if (token !== undefined && beside !== undefined) {
    const message = "expected either token, or username and password, got both — remove one";
    mistakes.push({ offset: token.keyOffset, path: token.path, message });
  }
  if (token !== undefined) return { kind: "bearer", token: textOf(token) ?? "" };
  return { kind: "basic", username: textAt(node, "username") ?? "", password: textAt(node, "password") ?? "" };
}

const SHOWN_AS_URL: KeySchema = { "x-secret": "url" };

/** The URL, unless it is none, or carries a user name and password, which belong into `home`. */
function checkUrl(node: TreeNode | undefined, home: string, mistakes: Mistake[]): URL | undefined {
  const text = textOf(node);
  if (node === undefined || text === undefined) return undefined;
  if (!URL.canParse(text)) {
    mistakes.push(mistake(node, `expected a URL with a host, got ${shownOf(node, SHOWN_AS_URL)}`));
    return undefined;
  }
  const url = new URL(text);
  if (url.username === "" && url.password === "") return url;
  mistakes.push(
    mistake(
      node,
      `expected a URL without user name and password, got ${shownOf(node, SHOWN_AS_URL)} — put them into ${home}`,
    ),
  );
  return undefined;
}
