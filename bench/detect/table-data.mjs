// What of a table is the same however it is judged: of every clean window and every faulted version of one, the metrics by itself and what
// it is compared by. It takes longer to make than to judge, so it lies in a file of the system's temporary folder, named after all that it
// depends on: the seed, the draws, and the code that reads, profiles and damages.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deserialize, serialize } from "node:v8";
import { SeededRandom } from "../../dist/core/random.js";
import { readContents, writeContents } from "../../dist/drift/window-contents.js";
import { FieldNames } from "../../dist/profiles/field-names.js";
import { ByteReader, ByteWriter } from "../../dist/sketches/bytes.js";
import { drawFault, FAULT_KINDS, FAULT_SHARES } from "./faults.mjs";
import { metricOptions, windowProfiler } from "./profiles.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** All that decides what is in the file. */
const CODE = ["core", "schemas", "sketches", "profiles", "drift"].map((layer) => join(ROOT, "dist", layer));
const OWN_CODE = ["columns", "faults", "flights", "profiles", "sales", "table-data", "windows"];
/** Files kept of a table: a seed or two and the code before a change. */
const FILES_KEPT = 4;

/**
 * `windows` in order of time and `faults`, each of one of them, both with `own` and `contents`. `draws`: faults of each kind and size.
 * A fault's chance depends on its place alone, so that fewer draws are the first of more.
 */
export async function tableData(table, { seed, draws, onTime }) {
  const path = cachePath(table, seed, draws);
  if (existsSync(path)) return unpacked(deserialize(readFileSync(path)));
  const data = await makeData(table, { seed, draws, onTime });
  writeFileSync(path, serialize(packed(data)));
  prune(table);
  return data;
}

async function makeData(table, { seed, draws, onTime }) {
  const { windows, rowsOf, isKnown } = await table.load();
  const profile = windowProfiler(table, metricOptions(table, new FieldNames()));
  const startMs = performance.now();
  const clean = windows.map((window, i) => ({ ...window, ...profile(rowsOf(i)) }));
  onTime?.(clean.length, performance.now() - startMs);
  const faults = [];
  for (const [kindAt, kind] of FAULT_KINDS.entries()) {
    for (const [shareAt, share] of FAULT_SHARES.entries()) {
      for (let draw = 0; draw < draws; draw++) {
        const random = randomOf(seed, kindAt, shareAt, draw);
        const place = { columns: table.columns, from: table.judgedFrom, windowCount: windows.length, rowsOf, isKnown };
        const { rows, damaged, ...fault } = drawFault({ kind, share, random, ...place });
        faults.push({ ...fault, draw, rowsDamaged: damaged.length, ...profile(rows) });
      }
    }
  }
  return { windows: clean, faults };
}

function randomOf(seed, kind, share, draw) {
  const place = new SeededRandom(((seed * 101 + kind) * 11 + share) * 1009 + draw);
  return new SeededRandom(place.nextUint32());
}

function cachePath(table, seed, draws) {
  const hash = createHash("sha256");
  hash.update(
    JSON.stringify([
      seed,
      draws,
      table.sizeMs,
      table.days,
      table.judgedFrom,
      table.pairs,
      table.columns,
      process.version,
    ]),
  );
  for (const folder of CODE) {
    for (const file of readdirSync(folder).sort())
      if (file.endsWith(".js")) hash.update(readFileSync(join(folder, file)));
  }
  for (const name of OWN_CODE) hash.update(readFileSync(new URL(`${name}.mjs`, import.meta.url)));
  return join(tmpdir(), `${prefixOf(table)}${hash.digest("hex").slice(0, 20)}.bin`);
}

function prefixOf({ name }) {
  return `streamgauge-detect-${name.replaceAll(" ", "-")}-`;
}

/** Removes the oldest files of a table. */
function prune(table) {
  const paths = readdirSync(tmpdir())
    .filter((file) => file.startsWith(prefixOf(table)) && file.endsWith(".bin"))
    .map((file) => join(tmpdir(), file))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const path of paths.slice(FILES_KEPT)) rmSync(path, { force: true });
}

/** What does not change from window to window is written once. */
function packed({ windows, faults }) {
  const kinds = [];
  const numbers = new Map();
  const pack = ({ own, contents, ...rest }) => {
    const entries = own.map(({ value, n, ...metric }) => {
      const key = JSON.stringify(metric);
      if (!numbers.has(key)) numbers.set(key, kinds.push(metric) - 1);
      return { number: numbers.get(key), value, n };
    });
    const writer = new ByteWriter(4096);
    writeContents(writer, contents);
    return {
      ...rest,
      metrics: Uint32Array.from(entries, ({ number }) => number),
      values: entries.map(({ value }) => value),
      n: Float64Array.from(entries, ({ n }) => n),
      contents: writer.finish(),
    };
  };
  const packedWindows = windows.map(pack);
  return { windows: packedWindows, faults: faults.map(pack), kinds };
}

function unpacked({ windows, faults, kinds }) {
  const unpack = ({ metrics, values, n, contents, ...rest }) => ({
    ...rest,
    own: values.map((value, i) => ({ ...kinds[metrics[i]], value, n: n[i] })),
    contents: readContents(new ByteReader(new Uint8Array(contents))),
  });
  return { windows: windows.map(unpack), faults: faults.map(unpack) };
}
