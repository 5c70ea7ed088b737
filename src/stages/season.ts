/** Windows per season when the configuration says `auto`: a week of days, a day of what is shorter. */
const DAY_MS = 86_400_000;
/** A longer season would take too long to learn. */
const SEASON_MAX = 288;

export function seasonWindows(sizeMs: number): number {
  if (sizeMs >= DAY_MS) return 7;
  return Math.min(SEASON_MAX, Math.max(2, Math.round(DAY_MS / sizeMs)));
}
