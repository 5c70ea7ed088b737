/** The keys that say how urgent an alarm is. */
import { IMPACTS, type Impact, LIKELIHOODS, SEVERITIES, SEVERITY_MATRIX } from "../core/severity.ts";
import { type KeySchema, mapping } from "./schema-parts.ts";

export const SEVERITY: KeySchema = {
  type: "string",
  enum: SEVERITIES,
  title: `one of ${SEVERITIES.join(", ")}`,
  description: "Severity: P0 is the worst.",
  examples: ["P2"],
};

export function impactKey(description: string): KeySchema {
  return {
    type: "string",
    enum: IMPACTS,
    title: `one of ${IMPACTS.join(", ")}`,
    description,
    examples: IMPACTS,
  };
}

/** One row per impact; those that are left out keep their default. */
export const SEVERITY_ROWS: KeySchema = {
  description: `Severity by impact, each for a fault that is ${LIKELIHOODS.join(", ")}. Default: ${defaults()}.`,
  examples: [{ critical: SEVERITY_MATRIX.critical }],
  ...mapping(Object.fromEntries(IMPACTS.map((impact) => [impact, row(impact)]))),
};

function row(impact: Impact): KeySchema {
  const usual = SEVERITY_MATRIX[impact];
  return {
    type: "array",
    minItems: LIKELIHOODS.length,
    maxItems: LIKELIHOODS.length,
    title: `a list of ${LIKELIHOODS.length} severities such as [${usual.join(", ")}]`,
    description: `Where the impact is ${impact}: ${LIKELIHOODS.join(", ")}.`,
    examples: [usual],
    items: SEVERITY,
  };
}

function defaults(): string {
  return IMPACTS.map((impact) => `${impact} [${SEVERITY_MATRIX[impact].join(", ")}]`).join(", ");
}
