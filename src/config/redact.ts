/** A configuration for the eyes of others: what `validate --json` and a log may hold. */
import type { Config } from "../core/config.ts";
import { MASK, maskUrl, SECRET_NAMES } from "./shown.ts";

/** Keys whose text is masked as a whole; of a URL only the parts that may be secret. */
const MASKED = new Set<string>(SECRET_NAMES.filter((name) => !/url$/i.test(name)));

/** Connections and sinks without secrets, as plain JSON values; everything else as it is. */
export function redactConfig(config: Config): Record<string, unknown> {
  const { kafka, registry, sinks } = config;
  return {
    ...config,
    ...(kafka === undefined ? {} : { kafka: redacted(kafka) }),
    ...(registry === undefined ? {} : { registry: redacted(registry) }),
    sinks: sinks.map(redacted),
  };
}

function redacted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redacted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => {
      if (typeof child !== "string") return [key, redacted(child)];
      if (MASKED.has(key)) return [key, MASK];
      return [key, /url$/i.test(key) ? maskUrl(child) : child];
    }),
  );
}
