import { describe, expect, test } from "vitest";
import { sealed } from "../../src/profiles/sealed-bytes.ts";
import { ByteReader, ByteWriter } from "../../src/sketches/bytes.ts";
import { PackedBytes } from "../../src/state/packed-bytes.ts";
import { StateStore } from "../../src/state/state-records.ts";
import { entriesOf } from "./state-entries.ts";
import { newestOf } from "./state-kit.ts";

const PLACE = { topic: "sg.state", partition: 3, writer: "streamgauge 9.9.9" };
const text = (word: string) => Buffer.from(word);

describe("StateStore", () => {
  test("load() keeps keys apart that hold # and numbers", () => {
    const keys = ["a|series|1|x=C", "a|series|1|x=C#", "a|series|1|x=C#1", "a|series|1|x=C##1", "#", "#1", "a#12"];
    const large = Buffer.alloc(2_000_000);
    for (let at = 0; at < large.length; at++) large[at] = (at * 2_654_435_761) >>> ((at % 4) * 8 + (at % 7));
    const store = new StateStore(PLACE);
    const entries = keys.map((key, at) => ({ key, value: PackedBytes.of(at === 0 ? large : text(key)) }));
    const written = [...store.write(entries, [], 1)];
    expect(written.length).toBeGreaterThan(keys.length);
    const reader = new StateStore(PLACE);
    const loaded = entriesOf(reader, newestOf(written));
    expect([...loaded.keys()].sort()).toEqual([...keys].sort());
    expect(Buffer.compare(loaded.get(keys[0]!)!, large)).toBe(0);
    for (const key of keys.slice(1)) expect(Buffer.from(loaded.get(key)!).toString()).toBe(key);
    // What is gone is gone with all of its parts, and with none of another's.
    const left = newestOf([...written, ...reader.write([], [keys[0]!], 2)]);
    expect([...entriesOf(new StateStore(PLACE), left).keys()].sort()).toEqual(keys.slice(1).sort());
  });

  test("read() refuses a version that it does not know: who wrote it, and what to do", () => {
    const [record] = newestOf([
      ...new StateStore(PLACE).write([{ key: "a", value: PackedBytes.of(text("b")) }], [], 1),
    ]);
    const rest = new ByteReader(record!.value!.subarray(1, -8));
    const writer = new ByteWriter();
    writer.u8(2);
    while (rest.remaining > 0) writer.u8(rest.u8());
    const newer = { ...record!, value: sealed(writer) };
    const sentence =
      "Cannot read the judge's state: streamgauge 9.9.9 wrote record sg.state[3]@0 as version 2, this program knows 1. " +
      'Run that version, or let this one begin anew with "streamgauge state reset --all"';
    const refusal = expect.objectContaining({ code: "SG_CORRUPT", exitCode: 4, message: sentence });
    expect(() => entriesOf(new StateStore(PLACE), [newer])).toThrowError(refusal);
    // A damaged byte is not mistaken for another version.
    const damaged = { ...record!, value: record!.value!.map((byte, at) => (at === 0 ? 2 : byte)) };
    expect(() => entriesOf(new StateStore(PLACE), [damaged])).toThrowError(/damaged/);
    expect([...new StateStore(PLACE).examine([newer])][0]!.problem).toMatchObject({
      partition: 3,
      offset: 0,
      sentence,
    });
  });
});
