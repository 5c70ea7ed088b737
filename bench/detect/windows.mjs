// What the budgets of false alarms are counted in, and how long a table is only learned from.

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** A false alarm per month of days; a quarter of the flights' year is learned from before a window counts. */
export const DAYS_BUDGET = { budgetWindows: 30, judgedFrom: 91 };
/** A false alarm per 30 days of the 18 hours in which flights leave; half of such a month is learned from. */
export const HOURS_BUDGET = { budgetWindows: 540, judgedFrom: 270 };
