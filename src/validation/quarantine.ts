/**
 * The quarantine envelope: the refused record as it came (key, value, headers), and why in `sg_*` headers. Values
 * never stand in a header. It has no timestamp yet: with the one it came with, Kafka's retention would remove a refused
 * record of an old event within minutes, so whoever writes it stamps it with wall time; its own is in `sg_timestamp`.
 */
import type { LogRecord, OutputRecord, RecordHeader } from "../core/log.ts";
import { utf8 } from "../core/text.ts";
import type { ViolationReason } from "../core/violation.ts";

/** Kafka refuses records over 1 MB by default; a larger one keeps this much of its value and says so. */
const MAX_VALUE_BYTES = 900_000;
const KEPT_VALUE_BYTES = 65_536;

export interface Refusal {
  readonly reason: ViolationReason;
  /** Field or byte position, when known. */
  readonly path?: string;
  /** Which limit was exceeded, and with what. */
  readonly detail?: string;
}

export function quarantineRecord(
  target: string,
  source: { readonly topic: string; readonly partition: number },
  record: LogRecord,
  refusal: Refusal,
): Omit<OutputRecord, "timestampMs"> {
  const headers: RecordHeader[] = [
    ...record.headers,
    header("sg_reason", refusal.reason),
    header("sg_check", "schema"),
    header("sg_path", refusal.path ?? ""),
    header("sg_topic", source.topic),
    header("sg_partition", String(source.partition)),
    header("sg_offset", String(record.offset)),
    header("sg_timestamp", String(record.timestampMs)),
  ];
  if (refusal.detail !== undefined) headers.push(header("sg_detail", refusal.detail));
  let value = record.value;
  if (value !== null && value.length > MAX_VALUE_BYTES) {
    headers.push(header("sg_truncated_from", String(value.length)));
    value = value.subarray(0, KEPT_VALUE_BYTES);
  }
  return { topic: target, key: record.key, value, headers };
}

function header(key: string, value: string): RecordHeader {
  return { key, value: utf8(value) };
}
