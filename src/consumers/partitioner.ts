/**
 * Kafka's default partitioner for records with a key, as the Java client has it: a record lands on the same
 * partition whichever client wrote it. `murmur2` is Austin Appleby's hash with Kafka's seed; an empty key hashes too.
 */

/** The partition of `key` among `partitionCount`: murmur2 without its sign bit, modulo. */
export function partitionForKey(key: Uint8Array, partitionCount: number): number {
  return (murmur2(key) & 0x7fffffff) % partitionCount;
}

/** 32-bit murmur2, as a signed integer like Java's `org.apache.kafka.common.utils.Utils.murmur2`. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length;
  const tail = length & ~3;
  let hash = SEED ^ length;
  for (let at = 0; at < tail; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    word = Math.imul(word, MULTIPLIER);
    word = Math.imul(word ^ (word >>> 24), MULTIPLIER);
    hash = Math.imul(hash, MULTIPLIER) ^ word;
  }
  if (tail < length) {
    if (length - tail === 3) hash ^= bytes[tail + 2]! << 16;
    if (length - tail >= 2) hash ^= bytes[tail + 1]! << 8;
    hash = Math.imul(hash ^ bytes[tail]!, MULTIPLIER);
  }
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return hash ^ (hash >>> 15);
}

/** Kafka's own seed; another one would place every key elsewhere. */
const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;
