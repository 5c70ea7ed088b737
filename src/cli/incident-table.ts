/** Alerts as rows of a table: when, how bad, what happened, in plain words. */
import type { Sink } from "../core/sink.ts";
import { printable, textOf } from "../core/text.ts";
import type { AlertRecord } from "../core/verdict.ts";

const HEADER = "state     severity  what";
const COLORS = { opened: "\u001b[31m", updated: "\u001b[33m", resolved: "\u001b[32m" } as const;
const RESET = "\u001b[0m";

/** A sink that hands rows to `line` and keeps what it was told. */
export function createIncidentTable(options: {
  readonly line: (text: string) => void;
  readonly color: boolean;
  readonly json: boolean;
}): { readonly sink: Sink; readonly alerts: readonly AlertRecord[] } {
  const alerts: AlertRecord[] = [];
  const sink: Sink = {
    name: "table",
    topics: ["alerts"],
    write(_topic, records) {
      for (const record of records) {
        if (record.value === null) continue;
        const alert = JSON.parse(textOf(record.value)) as AlertRecord;
        if (options.json) {
          options.line(JSON.stringify(alert));
        } else {
          if (alerts.length === 0) options.line(HEADER);
          options.line(row(alert, options.color));
        }
        alerts.push(alert);
      }
    },
  };
  return { sink, alerts };
}

function row(alert: AlertRecord, color: boolean): string {
  const severity = alert.state === "resolved" ? "" : alert.severity;
  const state = alert.state.padEnd(8);
  const head = color ? `${COLORS[alert.state]}${state}${RESET}` : state;
  return `${head}  ${severity.padEnd(8)}  ${printable(alert.sentence)}`;
}
