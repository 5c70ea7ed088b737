/** Keyed hash of a value whose policy is `hash`: equal values stay comparable, nobody reads them without the key. */
import { createHmac } from "node:crypto";

const DIGITS = 16;
/** Values hashed since the start; a label is asked for again in each flush. */
const CACHE_MAX = 100_000;

/** The key is `STREAMGAUGE_HASH_KEY`, or the deployment's name, which hides values from a glance only. */
export function createHashLabel(deployment: string, env: Readonly<Record<string, string | undefined>>) {
  const key = env.STREAMGAUGE_HASH_KEY ?? `streamgauge/${deployment}`;
  const cache = new Map<string, string>();
  return (text: string): string => {
    const known = cache.get(text);
    if (known !== undefined) return known;
    const label = `hmac:${createHmac("sha256", key).update(text).digest("hex").slice(0, DIGITS)}`;
    if (cache.size >= CACHE_MAX) cache.clear();
    cache.set(text, label);
    return label;
  };
}
