/**
 * What the judge keeps of a dataset, by key. Behind `<dataset>|` of the state topic stand
 *
 *     tracker                          windows, incident, names of fields: string · string · bytes, sealed
 *     ledger                           incidents of the watching itself: JSON
 *     training                         when the deployment first started, and what it trains on: JSON
 *     alarms                           incidents of the data that were opened, and the time that was judged: JSON
 *     profile|<sizeMs>|<startMs>|<slice>   profile of a window that is open or can be revised
 *     contents|<sizeMs>|<startMs>|<slice>  what a reference will learn of a window that can be revised
 *     origins|<sizeMs>|<startMs>|all       where the events of a window that was not judged yet came from
 *     usual                            where the events of the windows before came from
 *     series|<sizeMs>|<slice>          models, and the windows that can be revised
 */
import { readContents, type WindowContents, writeContents } from "../drift/window-contents.ts";
import { FieldNames } from "../profiles/field-names.ts";
import { Origins } from "../profiles/origins.ts";
import { readSealed, sealed } from "../profiles/sealed-bytes.ts";
import { ByteWriter } from "../sketches/bytes.ts";
import type { PackedBytes } from "../state/packed-bytes.ts";
import type { TrackerState } from "../windows/window-tracker.ts";
import { KeptProfile } from "./kept-profile.ts";

export const TRACKER_KEY = "tracker";
export const LEDGER_KEY = "ledger";
export const ALARMS_KEY = "alarms";
export const TRAINING_KEY = "training";
export const PROFILE_KEY = "profile|";
export const CONTENTS_KEY = "contents|";
export const ORIGINS_KEY = "origins|";
export const USUAL_KEY = "usual";
export const SERIES_KEY = "series|";
/** Belongs to no dataset: the position in the partition of the profiles topic. */
export const POSITION_KEY = "position";

export interface TrackerEntry {
  readonly tracker: TrackerState;
  /** Snapshot of the incident tracker. */
  readonly incidents: unknown;
  readonly names: FieldNames;
}

export function writeTracker({ tracker, incidents, names }: TrackerEntry): Uint8Array {
  const writer = new ByteWriter(16_384);
  writer.string(JSON.stringify(tracker));
  writer.string(JSON.stringify(incidents));
  writer.bytes(names.write());
  return sealed(writer);
}

/** @throws {StreamgaugeError} `SG_CORRUPT` */
export function readTracker(bytes: Uint8Array): TrackerEntry {
  return readSealed("tracker", bytes, (reader) => ({
    tracker: JSON.parse(reader.string()) as TrackerState,
    incidents: JSON.parse(reader.string()) as unknown,
    names: FieldNames.read(reader.bytes()),
  }));
}

/** What is stored of a dataset, entry by entry. Profiles sleep on; contents are read at once, so that their bytes can go. */
export class StoredDataset {
  readonly entries = new Map<string, Uint8Array>();
  /** As the tracker calls the profile of a window. */
  readonly profiles = new Map<string, KeptProfile>();
  /** By the same keys. */
  readonly contents = new Map<string, WindowContents>();
  /** By the same keys. */
  readonly origins = new Map<string, Origins>();

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  take(key: string, value: PackedBytes): void {
    if (key.startsWith(PROFILE_KEY)) this.profiles.set(key.slice(PROFILE_KEY.length), KeptProfile.asleep(value));
    else if (key.startsWith(CONTENTS_KEY)) {
      this.contents.set(key.slice(CONTENTS_KEY.length), readSealed("contents", value.unpack(), readContents));
    } else if (key.startsWith(ORIGINS_KEY)) {
      this.origins.set(
        key.slice(ORIGINS_KEY.length),
        readSealed("origins", value.unpack(), (reader) => Origins.read(reader)),
      );
    } else this.entries.set(key, value.unpack());
  }
}

export function writeOrigins(origins: Origins): Uint8Array {
  const writer = new ByteWriter(16_384);
  origins.write(writer);
  return sealed(writer);
}

export function writeContentsEntry(contents: WindowContents): Uint8Array {
  const writer = new ByteWriter(16_384);
  writeContents(writer, contents);
  return sealed(writer);
}

/** Name of a series behind `SERIES_KEY`. */
export function seriesKey(slice: string, sizeMs: number): string {
  return `${sizeMs}|${slice}`;
}

export function seriesOfKey(name: string): { readonly sizeMs: number; readonly slice: string } {
  const bar = name.indexOf("|");
  return { sizeMs: Number(name.slice(0, bar)), slice: name.slice(bar + 1) };
}

/** Dataset and the rest of a state key; undefined for what belongs to none. A topic's name has no `|`. */
export function datasetOfKey(key: string): { readonly dataset: string; readonly rest: string } | undefined {
  const bar = key.indexOf("|");
  return bar < 0 ? undefined : { dataset: key.slice(0, bar), rest: key.slice(bar + 1) };
}
