/**
 * Array literals of PostgreSQL (`{1,NULL,"a\"b"}`), to be bound as one parameter and cast: `$1::text[]`. Written here
 * because `pg` quotes and escapes every element, which for columns of numbers is most of the work of an insert.
 */

/** Numbers, booleans and texts of digits or hex: what needs no quotes. */
export function array(items: readonly (number | boolean | string | null)[]): string {
  let text = "{";
  for (let index = 0; index < items.length; index++) {
    const item = items[index];
    if (index > 0) text += ",";
    text += item === null || item === undefined ? "NULL" : String(item);
  }
  return `${text}}`;
}

/** Also for `jsonb[]`, of JSON texts. */
export function textArray(items: readonly (string | null)[]): string {
  let text = "{";
  for (let index = 0; index < items.length; index++) {
    const item = items[index];
    if (index > 0) text += ",";
    text += item === null || item === undefined ? "NULL" : `"${item.replace(/["\\]/g, "\\$&")}"`;
  }
  return `${text}}`;
}
