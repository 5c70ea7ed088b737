/**
 * date-holidays, which is not among our dependencies because it and what it needs are larger than all of them together (46 MB). Loaded
 * when a calendar asks for the holidays of a country; only the parts that are used have types here.
 */
import { createRequire } from "node:module";
import type { Holiday } from "../core/calendar.ts";

interface HolidayLibrary {
  getCountries(language?: string): Readonly<Record<string, string>>;
  /** Undefined where a country has no parts. */
  getStates(country: string, language?: string): Readonly<Record<string, string>> | undefined;
  getHolidays(year: number): readonly LibraryHoliday[] | false;
}

interface LibraryHoliday {
  /** `2026-07-04 00:00:00`, and an offset where the holiday has a zone of its own. */
  readonly date: string;
  readonly start: Date;
  readonly end: Date;
  readonly name: string;
  readonly type: string;
}

type HolidayConstructor = new (country?: string, state?: string) => HolidayLibrary;

const VERSION = "3.37.0";
const DAY_MS = 86_400_000;

/** What went wrong, in words that end a sentence. */
export class HolidayError extends Error {}

/**
 * The public holidays of a country (`US`) or a part of one (`DE-BY`), by year.
 * @throws {HolidayError} when there is no such country or part, or the library is not there
 */
export function holidaysOf(place: string): (year: number) => readonly Holiday[] {
  const Holidays = load();
  const [country = "", state] = place.split("-");
  const countries = new Holidays().getCountries("en");
  if (!Object.hasOwn(countries, country)) throw new HolidayError(`date-holidays knows no country ${country}`);
  if (state !== undefined) {
    const states = new Holidays(country).getStates(country, "en") ?? {};
    if (!Object.hasOwn(states, state)) {
      const known = Object.keys(states);
      const parts = known.length === 0 ? "it has none" : `there are ${known.join(", ")}`;
      throw new HolidayError(`date-holidays knows no part ${state} of ${country}: ${parts}`);
    }
  }
  const calendar = new Holidays(country, state);
  return (year) =>
    (calendar.getHolidays(year) || [])
      .filter(({ type }) => type === "public")
      .map(({ date, start, end, name }) => ({
        name,
        day: Math.floor(Date.parse(`${date.slice(0, 10)}T00:00Z`) / DAY_MS),
        // On the day that the clocks change, too.
        days: Math.max(1, Math.round((end.getTime() - start.getTime()) / DAY_MS)),
      }));
}

function load(): HolidayConstructor {
  try {
    const library = createRequire(import.meta.url)("date-holidays") as { readonly default?: HolidayConstructor };
    return library.default ?? (library as unknown as HolidayConstructor);
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND";
    const state = isMissing ? "it is not installed" : "this Node cannot load it";
    const advice = `run \`npm install date-holidays@${VERSION}\`, or name the days with \`on\``;
    throw new HolidayError(`date-holidays is needed, and ${state}: ${advice}`, { cause: error });
  }
}
