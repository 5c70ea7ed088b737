/** Certificates for tests, made by openssl: an authority, a server of 127.0.0.1 and localhost, a client. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificates {
  /** PEM texts. */
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string; readonly encryptedKey: string };
}

const OPENSSL = "openssl";
export const PASSPHRASE = "open sesame";

export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "streamgauge-certificates-"));
  const openssl = (...args: string[]) => execFileSync(OPENSSL, args, { cwd: folder, stdio: "pipe" });
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const signed = (name: string, extensions: string) => {
    openssl("req", ...newKey, "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.csr`);
    writeFileSync(join(folder, `${name}.ext`), extensions);
    openssl(
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
      ...["-days", "2", "-extfile", `${name}.ext`, "-out", `${name}.pem`],
    );
    return { cert: read(`${name}.pem`), key: read(`${name}.key`) };
  };
  try {
    openssl(
      "req",
      "-x509",
      ...newKey,
      "-subj",
      "/CN=test authority",
      "-days",
      "2",
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
    );
    const server = signed("server", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
    const client = signed("client", "extendedKeyUsage=clientAuth\n");
    openssl(
      ...["pkcs8", "-topk8", "-in", "client.key", "-out", "client.enc", "-v2", "aes-256-cbc", "-passout"],
      `pass:${PASSPHRASE}`,
    );
    return { ca: read("ca.pem"), server, client: { ...client, encryptedKey: read("client.enc") } };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
