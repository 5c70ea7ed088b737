/**
 * Profile of a window as the judge keeps it. Most windows of a judge are closed and wait for late events that hardly ever come:
 * they sleep as bytes, which take a third of the memory, until somebody asks for the profile itself.
 */

import { BytePages, type StoredBytes } from "../core/byte-pages.ts";
import type { PaneDelta } from "../core/ledger.ts";
import { ALL_SLICE, type LedgerCounts } from "../core/window.ts";
import { originsOf } from "../profiles/flush-origins.ts";
import { Origins } from "../profiles/origins.ts";
import { Profile } from "../profiles/profile.ts";
import { PackedBytes } from "../state/packed-bytes.ts";
import type { ProfileOps } from "../windows/profile-ops.ts";

/** Random choices of the sketches that the judge merges into; any constant will do. */
const MERGE_SEED = 0x6a756467;
/** Written bytes of the profiles that were woken and are awake; in memory they are some three times as large. */
const MOST_WOKEN_BYTES = 8_388_608;
/** Of all profiles of the process. */
const PAGES = new BytePages();
/** Of those that nobody has any more. */
const FORGOTTEN = new FinalizationRegistry<StoredBytes>((bytes) => PAGES.free(bytes));

export class KeptProfile {
  #profile: Profile | undefined;
  /** Of a profile that sleeps, or was written and has not changed since. */
  #bytes: StoredBytes | undefined;
  #counts: LedgerCounts | undefined;
  /** Of a window of the whole that was not judged yet. */
  #origins: Origins | undefined;
  #isJudged = false;

  static empty(): KeptProfile {
    return KeptProfile.of(Profile.empty(MERGE_SEED));
  }

  static of(profile: Profile, origins?: Origins): KeptProfile {
    const kept = new KeptProfile();
    kept.#profile = profile;
    kept.#origins = origins;
    return kept;
  }

  /**
   * What `write()` gave. Where no origins are restored, the window was judged.
   * @throws {StreamgaugeError} `SG_CORRUPT` when it does not unpack; what it unpacks to is not looked at.
   */
  static asleep(bytes: PackedBytes): KeptProfile {
    const kept = new KeptProfile();
    kept.#keep(bytes.unpack());
    kept.#isJudged = true;
    return kept;
  }

  restoreOrigins(origins: Origins): void {
    this.#origins = origins;
    this.#isJudged = false;
  }

  /** Where the events came from, until the window is judged. */
  get origins(): Origins | undefined {
    return this.#origins;
  }

  /** The same, for the judge: they are forgotten, and those of late events are not kept. */
  takeOrigins(): Origins | undefined {
    const origins = this.#origins;
    this.#origins = undefined;
    this.#isJudged = true;
    return origins;
  }

  mergeOrigins({ origins }: KeptProfile): void {
    if (this.#isJudged || origins === undefined) return;
    this.#origins ??= new Origins();
    this.#origins.merge(origins);
  }

  /**
   * The profile, awake from now on: it may be changed.
   * @throws {StreamgaugeError} `SG_CORRUPT`
   */
  wake(): Profile {
    this.#profile ??= Profile.read(PAGES.read(this.#bytes!));
    this.#letGo();
    this.#counts = undefined;
    return this.#profile;
  }

  /**
   * The profile, only to be read during the call; a sleeping one sleeps on.
   * @throws {StreamgaugeError} `SG_CORRUPT`
   */
  look(): Profile {
    return this.#profile ?? Profile.read(PAGES.read(this.#bytes!));
  }

  counts(): LedgerCounts {
    this.#counts ??= this.look().counts();
    return this.#counts;
  }

  /** As it stands in the state. */
  write(): PackedBytes {
    if (this.#bytes !== undefined) return PackedBytes.stored(PAGES.read(this.#bytes));
    const written = this.#profile!.written();
    this.#keep(written);
    return PackedBytes.stored(written);
  }

  /** Bytes that it sleeps as; 0: it is awake. */
  get asleepBytes(): number {
    return this.#profile === undefined ? this.#bytes!.length : 0;
  }

  /** The bytes that were written for it: 0 when it sleeps already, or was written before. */
  sleep(): number {
    if (this.#profile === undefined) return 0;
    this.#counts = this.#profile.counts();
    const isWritten = this.#bytes !== undefined;
    if (!isWritten) this.#keep(this.#profile.written());
    this.#profile = undefined;
    return isWritten ? 0 : this.#bytes!.length;
  }

  #keep(bytes: Uint8Array): void {
    const stored = PAGES.put(bytes);
    this.#bytes = stored;
    FORGOTTEN.register(this, stored, this);
  }

  #letGo(): void {
    if (this.#bytes === undefined) return;
    FORGOTTEN.unregister(this);
    PAGES.free(this.#bytes);
    this.#bytes = undefined;
  }
}

/**
 * Wakes profiles, and lets those sleep again that were woken longest ago: late events of many windows would have all of them awake at
 * once, before a checkpoint comes. For all datasets of a process, whose memory it is about.
 */
export class WokenProfiles {
  readonly #mostBytes: number;
  /** Bytes of each, the one that was woken last behind the others. */
  readonly #woken = new Map<KeptProfile, number>();
  #bytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  wake(kept: KeptProfile): Profile {
    const bytes = kept.asleepBytes || this.#woken.get(kept);
    const profile = kept.wake();
    if (bytes === undefined) return profile;
    this.#forget(kept);
    this.#woken.set(kept, bytes);
    this.#bytes += bytes;
    for (const [oldest] of this.#woken) {
      if (this.#bytes <= this.#mostBytes || oldest === kept) break;
      this.#forget(oldest);
      oldest.sleep();
    }
    return profile;
  }

  #forget(kept: KeptProfile): void {
    this.#bytes -= this.#woken.get(kept) ?? 0;
    this.#woken.delete(kept);
  }
}

const WOKEN = new WokenProfiles(MOST_WOKEN_BYTES);

export const KEPT_PROFILE_OPS: ProfileOps<KeptProfile> = {
  create: () => KeptProfile.empty(),
  merge: (into, from) => {
    WOKEN.wake(into).merge(from.look());
    into.mergeOrigins(from);
  },
  counts: (profile) => profile.counts(),
};

/** `partition`: whose flush it is, where origins are told apart. */
export function keptPanes(panes: readonly PaneDelta<Profile>[], partition?: number): PaneDelta<KeptProfile>[] {
  return panes.map((pane) => {
    const { slice, profile } = pane;
    const origins = slice === ALL_SLICE && partition !== undefined ? originsOf(profile, partition) : undefined;
    return { ...pane, profile: KeptProfile.of(profile, origins) };
  });
}
