/** The calendar of a dataset: entries with a name and days, or the holidays of a country. */
import { type CalendarEntry, WIDEN_DEFAULT } from "../core/calendar.ts";
import { HolidayError, holidaysOf } from "./holiday-library.ts";
import { child, mapsOf, mistake, numberAt, textAt, textOf } from "./read-tree.ts";
import { shown } from "./shown.ts";
import type { MapNode, Mistake, TreeNode } from "./yaml-tree.ts";

const DAY_MS = 86_400_000;
const FORMS = "`on` with a day, `from` and `to`, or `holidays` with a country";

export function buildCalendar(list: TreeNode | undefined, mistakes: Mistake[]): readonly CalendarEntry[] | undefined {
  if (list === undefined) return undefined;
  return mapsOf(list).flatMap((node) => entryOf(node, mistakes) ?? []);
}

function entryOf(node: MapNode, mistakes: Mistake[]): CalendarEntry | undefined {
  const [on, from, to, holidays] = ["on", "from", "to", "holidays"].map((key) => child(node, key));
  const widen = numberAt(node, "widen") ?? WIDEN_DEFAULT;
  const forms = [on, from ?? to, holidays].filter((form) => form !== undefined);
  // Keys with a mistake of form are not in the tree any more: that one is told already.
  if (mistakes.some(({ path }) => path.startsWith(`${node.path}.`))) return undefined;
  if (forms.length !== 1) {
    const state = forms.length === 0 ? "none of them stands here" : "several of them stand here";
    mistakes.push(mistake(node, `expected an entry with ${FORMS}; ${state}`));
    return undefined;
  }
  if (holidays !== undefined) return holidayEntry(holidays, child(node, "name"), widen, mistakes);
  const name = textAt(node, "name");
  if (name === undefined) {
    mistakes.push(
      mistake(node, "expected a name, by which verdicts and incidents call the days — for example name: Christmas"),
    );
    return undefined;
  }
  if (on !== undefined) return dayEntry(on, name, widen, mistakes);
  if (from === undefined || to === undefined) {
    mistakes.push(
      mistake(node, `expected \`from\` and \`to\`, but there is no \`${from === undefined ? "from" : "to"}\``),
    );
    return undefined;
  }
  const fromLocalMs = localTime(from, mistakes);
  const toLocalMs = localTime(to, mistakes, true);
  if (fromLocalMs === undefined || toLocalMs === undefined) return undefined;
  if (toLocalMs <= fromLocalMs) {
    mistakes.push(mistake(to, `expected a time after ${shown(from)}, got ${shown(to)}`));
    return undefined;
  }
  return { kind: "span", name, fromLocalMs, toLocalMs, widen };
}

function dayEntry(on: TreeNode, name: string, widen: number, mistakes: Mistake[]): CalendarEntry | undefined {
  const text = textOf(on) ?? "";
  if (text.length > "12-25".length) {
    const fromLocalMs = localTime(on, mistakes);
    return fromLocalMs === undefined
      ? undefined
      : { kind: "span", name, fromLocalMs, toLocalMs: fromLocalMs + DAY_MS, widen };
  }
  // A leap year has all days that any year has.
  if (dayMsOf(`2024-${text}`) === undefined) return refuse(on, mistakes);
  const [month = 0, day = 0] = text.split("-").map(Number);
  return { kind: "yearly", name, month, day, widen };
}

function holidayEntry(
  holidays: TreeNode,
  name: TreeNode | undefined,
  widen: number,
  mistakes: Mistake[],
): CalendarEntry | undefined {
  if (name !== undefined) {
    mistakes.push(mistake(name, "expected no name beside `holidays`: each holiday has its own"));
    return undefined;
  }
  try {
    return { kind: "holidays", holidaysOf: holidaysOf(textOf(holidays) ?? ""), widen };
  } catch (error) {
    if (!(error instanceof HolidayError)) throw error;
    mistakes.push(mistake(holidays, `cannot take the holidays of ${shown(holidays)}: ${error.message}`));
    return undefined;
  }
}

/** Epoch milliseconds as if the local time were UTC; a day without a time ends with its last instant. */
function localTime(node: TreeNode, mistakes: Mistake[], isEnd = false): number | undefined {
  const [day = "", time] = (textOf(node) ?? "").split("T");
  const dayMs = dayMsOf(day);
  if (dayMs === undefined) return refuse(node, mistakes);
  if (time === undefined) return isEnd ? dayMs + DAY_MS : dayMs;
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  return dayMs + (hours * 60 + minutes) * 60_000;
}

/** Undefined for a day that is not in the calendar: `Date.parse` takes 30 February for the first of March. */
function dayMsOf(day: string): number | undefined {
  const dayMs = Date.parse(`${day}T00:00Z`);
  if (Number.isNaN(dayMs)) return undefined;
  return new Date(dayMs).toISOString().startsWith(day) ? dayMs : undefined;
}

function refuse(node: TreeNode, mistakes: Mistake[]): undefined {
  mistakes.push(mistake(node, `expected a day that there is, got ${shown(node)}`));
  return undefined;
}
