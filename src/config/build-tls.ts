/** Certificates and keys: a damaged one is a mistake of the file, not of the first connection. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { TlsConfig } from "../core/config.ts";
import { child, mistake, textAt } from "./read-tree.ts";
import type { KeySchema } from "./schema-parts.ts";
import { MASK, shownOf } from "./shown.ts";
import type { MapNode, Mistake, TreeNode } from "./yaml-tree.ts";

/** Undefined when there is no such key, or it is `false`. */
export function buildTls(parent: MapNode | undefined, mistakes: Mistake[]): TlsConfig | undefined {
  const node = child(parent, "tls");
  if (node?.kind === "scalar" && node.value === true) return {};
  if (node?.kind !== "map") return undefined;
  const ca = textAt(node, "ca");
  const cert = textAt(node, "cert");
  const key = textAt(node, "key");
  const passphrase = textAt(node, "passphrase");
  const serverName = textAt(node, "serverName");
  certificatesOf(child(node, "ca"), mistakes);
  const [own] = certificatesOf(child(node, "cert"), mistakes);
  const privateKey = privateKeyOf(child(node, "key"), child(node, "passphrase"), mistakes);
  const keyNode = child(node, "key");
  if (keyNode !== undefined && own !== undefined && privateKey !== undefined && !own.checkPrivateKey(privateKey)) {
    mistakes.push(mistake(keyNode, "expected the private key of the certificate beside it, got that of another"));
  }
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
/** A private key may stand here by mistake. */
const SHOWN_AS_WORD: KeySchema = { "x-secret": "word" };

/** All certificates of a PEM text, in their order. */
function certificatesOf(node: TreeNode | undefined, mistakes: Mistake[]): X509Certificate[] {
  if (node?.kind !== "scalar" || typeof node.value !== "string") return [];
  const found = node.value.match(CERTIFICATE) ?? [];
  if (found.length === 0) {
    const got = shownOf(node, SHOWN_AS_WORD);
    const isName = node.source === undefined && got !== MASK;
    const hint = isName ? ` — write \${file:${node.value}} for what stands in the file` : "";
    mistakes.push(
      mistake(node, `expected a certificate in PEM, which begins with -----BEGIN CERTIFICATE-----, got ${got}${hint}`),
    );
  }
  try {
    return found.map((pem) => new X509Certificate(pem));
  } catch {
    mistakes.push(mistake(node, `expected a certificate in PEM, got a damaged one in ${shownOf(node, SHOWN_AS_WORD)}`));
    return [];
  }
}

function privateKeyOf(
  node: TreeNode | undefined,
  passphrase: TreeNode | undefined,
  mistakes: Mistake[],
): KeyObject | undefined {
  if (node?.kind !== "scalar" || typeof node.value !== "string") return undefined;
  if (!/-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/.test(node.value)) {
    const message = `expected a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----, got ${MASK}`;
    mistakes.push(mistake(node, `${message} — write \${file:NAME} for what stands in a file`));
    return undefined;
  }
  const phrase = passphrase?.kind === "scalar" && typeof passphrase.value === "string" ? passphrase.value : undefined;
  try {
    return createPrivateKey({ key: node.value, ...(phrase === undefined ? {} : { passphrase: phrase }) });
  } catch {
    // OpenSSL's own words are left out: they help nobody, and nobody vouches for what they quote.
    const isEncrypted = /-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(node.value);
    if (isEncrypted && phrase === undefined) {
      mistakes.push(mistake(node, "the private key is encrypted — add its passphrase"));
    } else {
      const message = isEncrypted ? "the passphrase does not open the private key" : "the private key is damaged";
      mistakes.push(mistake(isEncrypted ? (passphrase ?? node) : node, message));
    }
    return undefined;
  }
}
