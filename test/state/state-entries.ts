/** What a state topic holds, by key. */
import type { LogRecord } from "../../src/core/log.ts";
import type { StateStore } from "../../src/state/state-records.ts";

export function entriesOf(store: StateStore, records: readonly LogRecord[]): Map<string, Uint8Array> {
  return new Map([...store.read(records)].map(({ key, value }) => [key, value.unpack()]));
}
