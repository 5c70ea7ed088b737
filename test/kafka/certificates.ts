/** An authority, a certificate for a server on loopback and one for a client, made by the openssl command. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificates {
  /** Files for the broker. */
  readonly folder: string;
  readonly ca: string;
  readonly clientCert: string;
  readonly clientKey: string;
  remove(): void;
}

export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "streamgauge-tls-"));
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const request = ["req", "-newkey", "rsa:2048", "-nodes", "-sha256"];
  openssl(...request, "-x509", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem");
  const sign = (name: string, subject: string, extensions: string) => {
    writeFileSync(file(`${name}.ext`), extensions);
    openssl(...request, "-subj", subject, "-keyout", `${name}.key`, "-out", `${name}.csr`);
    const authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(
      "x509",
      "-req",
      "-days",
      "2",
      ...authority,
      "-extfile",
      `${name}.ext`,
      "-in",
      `${name}.csr`,
      "-out",
      `${name}.crt`,
    );
  };
  sign("server", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  sign("client", "/CN=profiler", "extendedKeyUsage=clientAuth\n");
  const text = (name: string) => readFileSync(file(name), "utf8");
  // One file for the broker: its key, then its certificate.
  writeFileSync(file("server.pem"), text("server.key") + text("server.crt"));
  return {
    folder,
    ca: text("ca.pem"),
    clientCert: text("client.crt"),
    clientKey: text("client.key"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
