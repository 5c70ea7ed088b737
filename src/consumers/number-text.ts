/** Numbers as files write them: exact integers of 64 bits, decimals of a schema's scale. */

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

export function isInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX;
}

const DECIMAL = /^([+-]?)(\d{1,1000})(?:\.(\d{0,1000}))?$/;

/** Two's complement of the unscaled value, undefined when `text` is no decimal or has more places than `scale`. */
export function decimalBytes(text: string, scale: number): Uint8Array | undefined {
  const match = DECIMAL.exec(text);
  const places = (match?.[3] ?? "").replace(/0+$/, "");
  if (match === null || places.length > scale) return undefined;
  const magnitude = BigInt(match[2]! + places.padEnd(scale, "0"));
  const value = match[1] === "-" ? -magnitude : magnitude;
  let size = 1;
  while (BigInt.asIntN(8 * size, value) !== value) size++;
  const bytes = new Uint8Array(size);
  for (let index = size - 1, rest = value; index >= 0; index--, rest >>= 8n) bytes[index] = Number(rest & 255n);
  return bytes;
}

/** `bytes` widened to the length of a fixed, undefined when they do not fit. */
export function widened(bytes: Uint8Array, size: number): Uint8Array | undefined {
  if (bytes.length > size) return undefined;
  const wide = new Uint8Array(size).fill(bytes[0]! >= 128 ? 255 : 0);
  wide.set(bytes, size - bytes.length);
  return wide;
}
