/** One line per alert, for people: `P1 opened   flights  8 Feb: 36 % of …`. */
import type { Sink } from "../core/sink.ts";
import { printable, textOf } from "../core/text.ts";
import type { AlertRecord } from "../core/verdict.ts";

export function createConsoleSink(write: (line: string) => void): Sink {
  return {
    name: "console",
    topics: ["alerts"],
    write(_topic, records) {
      for (const record of records) {
        if (record.value !== null) write(alertLine(JSON.parse(textOf(record.value)) as AlertRecord));
      }
    },
  };
}

/** Control characters of names that come from data must not reach a terminal. */
export function alertLine(alert: AlertRecord): string {
  const line = `${alert.backtest === true ? "backtest " : ""}${alert.severity} ${alert.state.padEnd(8)} ${alert.dataset}  ${alert.sentence}`;
  return printable(line);
}
