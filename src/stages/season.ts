/**
 * The seasons of a dataset's windows. Two things ask for one: the detector, whose season has to be whole windows of a day or an hour, or
 * none; and whoever waits for a silent slice, who needs about as many windows, whatever their size.
 */
import { seasonOfWindow, secondSeasonOf } from "../anomaly/season.ts";
import type { DatasetConfig } from "../core/config.ts";
import { DAY_MS } from "../windows/calendar-days.ts";
import { SeasonPhases } from "../windows/season-phase.ts";

/** A longer one would take too long to wait for. */
const SEASON_MAX = 288;

/** Windows of a season, for silence: as configured, else a week of days or of what is longer, a day of what is shorter. */
export function silenceSeason(season: number | "auto", sizeMs: number): number {
  if (season !== "auto") return season;
  if (sizeMs >= DAY_MS) return 7;
  return Math.min(SEASON_MAX, Math.max(2, Math.round(DAY_MS / sizeMs)));
}

/** Where a window lies in the detector's seasons, by the clocks of the zone. */
export class DatasetSeasons {
  readonly #season: number | "auto";
  readonly #phases: SeasonPhases;

  constructor({ detect, windows }: DatasetConfig) {
    this.#season = detect.season;
    this.#phases = new SeasonPhases(windows.timezone);
  }

  /** As `DetectorInput.ahead`; only a season of a day has the hours of the clocks. */
  aheadOf(sizeMs: number, startMs: number): number {
    const season = this.#seasonOf(sizeMs);
    return season > 1 && season * sizeMs === DAY_MS ? this.#phases.windowsAhead(startMs, sizeMs) : 0;
  }

  /** Phase in the season above the first, where there is one. */
  secondPhaseOf(sizeMs: number, startMs: number): number | undefined {
    const second = secondSeasonOf(this.#seasonOf(sizeMs), sizeMs);
    if (second === undefined) return undefined;
    return second.name === "week" ? this.#phases.hourOfWeek(startMs) : this.#phases.hour(startMs);
  }

  #seasonOf(sizeMs: number): number {
    return this.#season === "auto" ? seasonOfWindow(sizeMs) : this.#season;
  }
}
