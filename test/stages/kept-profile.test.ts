import { expect, test, vi } from "vitest";
import { Profile } from "../../src/profiles/profile.ts";
import { KEPT_PROFILE_OPS, KeptProfile, WokenProfiles } from "../../src/stages/kept-profile.ts";
import { PackedBytes } from "../../src/state/packed-bytes.ts";
import { fieldOf, profileOf, type Row } from "../profiles/column-batches.ts";

const FIELDS = [fieldOf("carrier", "string"), fieldOf("delay", "int")];
const part = (from: number) => profileOf(FIELDS, rows(from));

function rows(from: number): Row[] {
  return Array.from({ length: 900 }, (_, i): Row => [[`c${(from + i) % 70}`], [(from * 7 + i * i) % 5000]]);
}

test("KeptProfile that slept between two merges is, byte for byte, one that did not", () => {
  const [awake, sleeper] = [KeptProfile.empty(), KeptProfile.empty()];
  for (let from = 0; from < 8; from++) {
    for (const kept of [awake, sleeper]) KEPT_PROFILE_OPS.merge(kept, KeptProfile.of(part(from)));
    expect(sleeper.sleep()).toBeGreaterThan(0);
    expect(sleeper.counts()).toEqual(awake.counts());
    expect(sleeper.look().counts()).toEqual(awake.counts());
    // Looking wakes nobody.
    expect(sleeper.sleep()).toBe(0);
    expect(Buffer.compare(sleeper.write().unpack(), awake.write().unpack())).toBe(0);
  }
  expect(Buffer.compare(KeptProfile.asleep(awake.write()).wake().write(), awake.write().unpack())).toBe(0);
});

test("KeptProfile is written once as long as nothing changes", () => {
  const kept = KeptProfile.of(part(1));
  const written = kept.write();
  const profileWrites = vi.spyOn(Profile.prototype, "written");
  expect(kept.write()).toEqual(written);
  // Nothing was left to be done.
  expect(kept.sleep()).toBe(0);
  expect(kept.write()).toEqual(written);
  expect(profileWrites).not.toHaveBeenCalled();
  KEPT_PROFILE_OPS.merge(kept, KeptProfile.of(part(2)));
  expect(Buffer.compare(kept.write().unpack(), written.unpack())).not.toBe(0);
  expect(profileWrites).toHaveBeenCalledOnce();
  profileWrites.mockRestore();
});

test("WokenProfiles lets those sleep that were woken longest ago, and only of those that had slept", () => {
  const sleepers = [1, 2, 3].map((from) => KeptProfile.asleep(KeptProfile.of(part(from)).write()));
  const [first, second, third] = [sleepers[0]!, sleepers[1]!, sleepers[2]!];
  const asleep = () => sleepers.map(({ asleepBytes }) => asleepBytes > 0);
  const fresh = KeptProfile.of(part(4));
  const woken = new WokenProfiles(2.5 * first.asleepBytes);
  woken.wake(fresh);
  woken.wake(first).merge(part(5));
  woken.wake(second);
  expect(asleep()).toEqual([false, false, true]);
  // Its turn comes later for it.
  woken.wake(first);
  woken.wake(third);
  expect(asleep()).toEqual([false, true, false]);
  woken.wake(second);
  expect(asleep()).toEqual([true, false, false]);
  expect(fresh.asleepBytes).toBe(0);
  const expected = KeptProfile.asleep(KeptProfile.of(part(1)).write()).wake();
  expected.merge(part(5));
  expect(Buffer.compare(first.write().unpack(), expected.write())).toBe(0);
  // One that alone is larger stays awake.
  const small = new WokenProfiles(1);
  small.wake(first);
  expect(first.asleepBytes).toBe(0);
});

test.each([
  [
    "inside",
    (bytes: Uint8Array) => PackedBytes.of(bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 1 : byte))),
  ],
  ["at the end", (bytes: Uint8Array) => PackedBytes.of(bytes.subarray(0, -1))],
])("KeptProfile of damaged bytes says so when it is looked at: %s", (_where, damage) => {
  const kept = KeptProfile.asleep(damage(KeptProfile.of(part(1)).write().unpack()));
  for (const use of [() => kept.look(), () => kept.wake(), () => kept.counts()]) {
    expect(use).toThrowError(expect.objectContaining({ code: "SG_CORRUPT" }));
  }
});

test.each([
  ["cut off", (bytes: Uint8Array) => new PackedBytes(bytes.length, PackedBytes.of(bytes).packed.subarray(0, 40))],
  ["of another length", (bytes: Uint8Array) => new PackedBytes(bytes.length + 1, PackedBytes.of(bytes).packed)],
])("KeptProfile of bytes that do not unpack says so at once: %s", (_what, damage) => {
  const damaged = damage(KeptProfile.of(part(1)).write().unpack());
  expect(() => KeptProfile.asleep(damaged)).toThrowError(expect.objectContaining({ code: "SG_CORRUPT" }));
});
