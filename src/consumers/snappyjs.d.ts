/** snappyjs 0.7 carries no types. */
declare module "snappyjs" {
  /** @throws {Error} for damaged bytes, or when the text would be longer than `maxLength` bytes. */
  export function uncompress(compressed: Uint8Array, maxLength?: number): Uint8Array;
  export function compress(uncompressed: Uint8Array): Uint8Array;
}
