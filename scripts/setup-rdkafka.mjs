// Builds node-rdkafka, the optional second Kafka client, from the sources in its package, into a cache folder
// ($STREAMGAUGE_RDKAFKA_CACHE, or node_modules/.cache/streamgauge-rdkafka), and links it to node_modules/node-rdkafka.
// package.json and package-lock.json stay as they are. What is built already for this Node is only linked.
//
//   node scripts/setup-rdkafka.mjs
//
// Takes some four minutes on two cores. Needs a C++ compiler, make, python3 and Node's headers; where apt is at hand and this
// is root, the libraries for zstd, TLS and SASL are installed. The last line of output is the folder of the package.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const VERSION = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).peerDependencies["node-rdkafka"];
const DEBIAN_PACKAGES = ["libssl-dev", "libzstd-dev", "libcurl4-openssl-dev", "zlib1g-dev", "libsasl2-dev"];
const JOBS = String(availableParallelism());

const cache = process.env.STREAMGAUGE_RDKAFKA_CACHE || join(ROOT, "node_modules/.cache/streamgauge-rdkafka");
// An addon is good for one ABI of Node.
const abi = `${process.platform}-${process.arch}-abi${process.versions.modules}`;
const folder = resolve(cache, `node-rdkafka-${VERSION}-${abi}`);

if (!existsSync(folder)) {
  installLibraries();
  // Made beside its place and renamed when whole, so that a folder that exists is complete.
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  try {
    build(unfinished);
    if (!existsSync(folder)) renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}
const built = join(folder, "node_modules/node-rdkafka");
link(built, join(ROOT, "node_modules/node-rdkafka"));
console.log(built);

function installLibraries() {
  const lacks = (name) => spawnSync("dpkg", ["-s", name], { stdio: "ignore" }).status !== 0;
  const isRootOnDebian = process.getuid?.() === 0 && spawnSync("apt-get", ["--version"]).error === undefined;
  const missing = isRootOnDebian ? DEBIAN_PACKAGES.filter(lacks) : [];
  if (missing.length === 0) return;
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  run("apt-get", ["update", "-qq"], ROOT, env);
  run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...missing], ROOT, env);
}

function build(target) {
  writeFileSync(join(target, "package.json"), '{ "private": true }\n');
  run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", `node-rdkafka@${VERSION}`], target);
  const module = join(target, "node_modules/node-rdkafka");
  const librdkafka = join(module, "deps/librdkafka");
  // Before node-gyp, whose makefile runs configure and make beside each other and fails with more than one job.
  const prefix = join(module, "build/deps");
  run("./configure", [`--prefix=${prefix}`, `--libdir=${prefix}`], librdkafka);
  run("make", ["-j", JOBS, "libs"], librdkafka);
  const headers = join(dirname(process.execPath), "..");
  const local = existsSync(join(headers, "include/node/node.h")) ? { npm_config_nodedir: headers } : {};
  run("npm", ["rebuild", "--ignore-scripts=false", "--foreground-scripts", "node-rdkafka"], target, { JOBS, ...local });
  // Half a gigabyte of sources and intermediate files.
  for (const part of ["deps", "build/Release/obj.target"]) rmSync(join(module, part), { recursive: true, force: true });
  run(process.execPath, ["-e", 'require("node-rdkafka")'], target);
}

/** Replaces a link, and leaves alone what somebody has installed. */
function link(target, path) {
  mkdirSync(dirname(path), { recursive: true });
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isSymbolicLink()) return;
  rmSync(path, { force: true });
  symlinkSync(target, path);
}

/** Output only when it fails. */
function run(command, args, cwd, env = {}) {
  // A user's flags for make are not meant for these makefiles.
  const { MAKEFLAGS: _, ...inherited } = process.env;
  const options = { cwd, env: { ...inherited, ...env }, encoding: "utf8", maxBuffer: 1 << 28 };
  const { status, error, stdout, stderr } = spawnSync(command, args, options);
  if (status === 0) return;
  console.error(`${stdout ?? ""}${stderr ?? ""}`.slice(-8000));
  const how = error === undefined ? `ended with ${status}` : `could not be started (${error.message})`;
  console.error(`Cannot build node-rdkafka: ${command} ${args[0]} ${how}`);
  process.exitCode = 1;
  throw new Error("node-rdkafka is not built");
}
