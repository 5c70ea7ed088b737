/** A progress bar below lines that scroll; plain lines where there is no terminal. */
import type { Clock } from "../core/clock.ts";
import type { Io } from "./io.ts";

const BAR_WIDTH = 30;
const REDRAW_MS = 100;
const CLEAR_LINE = "\r\u001b[2K";

export interface Progress {
  /** `done` of the total. */
  update(done: number): void;
  /** A line above the bar. */
  line(text: string): void;
  /** Takes the bar away. */
  finish(): void;
}

export function createProgress(
  io: Io,
  clock: Clock,
  options: { readonly total: number; readonly unit: string },
): Progress {
  const { terminal } = io;
  if (terminal === undefined) return { update: () => {}, line: io.stdout, finish: () => {} };
  const startMs = clock.monotonicMs();
  let drawnMs = Number.NEGATIVE_INFINITY;
  let done = 0;
  const draw = () => {
    drawnMs = clock.monotonicMs();
    const share = Math.min(1, done / options.total);
    const filled = Math.round(share * BAR_WIDTH);
    const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
    const seconds = Math.max(0.001, (drawnMs - startMs) / 1000);
    const rate = Math.round(done / seconds).toLocaleString("en-US");
    const text = `${bar} ${Math.floor(share * 100)} %  ${done.toLocaleString("en-US")} ${options.unit}  ${rate}/s`;
    terminal.write(CLEAR_LINE + text.slice(0, terminal.columns - 1));
  };
  return {
    update(now) {
      done = now;
      if (clock.monotonicMs() - drawnMs >= REDRAW_MS) draw();
    },
    line(text) {
      terminal.write(`${CLEAR_LINE}${text}\n`);
      draw();
    },
    finish() {
      terminal.write(CLEAR_LINE);
    },
  };
}
