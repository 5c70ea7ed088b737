/**
 * Doubles that are integers divided by a power of ten, to the last bit, such as prices and coordinates: written as those
 * integers, in ascending order as the distances between them, they take two or three bytes instead of eight.
 */

/** Decimal places that are tried, fewest first. */
const PLACES = [0, 1, 2, 3, 4, 5, 6];

/**
 * The fewest decimal places that hold each of `values[0, size)` as an integer of at most `most`; `undefined` where none do.
 * Of no values: 0.
 */
export function decimalPlaces(values: Float64Array, size: number, most: number): number | undefined {
  return PLACES.find((places) => areDecimals(values, size, 10 ** places, most));
}

/** Whether each value is an integer of at most `most` divided by `factor`, to the last bit. */
export function areDecimals(values: Float64Array, size: number, factor: number, most: number): boolean {
  for (let i = 0; i < size; i++) {
    const scaled = Math.round(values[i]! * factor);
    if (!(Math.abs(scaled) <= most) || scaled / factor !== values[i]) return false;
  }
  return true;
}

/** Whether `places` is one of those that `decimalPlaces()` tells. */
export function isPlaces(places: number): boolean {
  return PLACES.includes(places);
}

/** A whole number as one that is not negative: 0, -1, 1, -2 … become 0, 1, 2, 3 … */
export function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

/** What `zigzag()` was given. */
export function unzigzag(value: number): number {
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}
