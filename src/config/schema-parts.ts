/** What the schema of the configuration file is put together from. */
import { DURATION_PATTERN, POSITIVE_DURATION_PATTERN } from "./duration.ts";

/**
 * How much of a value a message may show: nothing (`value`), what is not a user name, a password or a query (`url`),
 * only what looks like one short word (`word`: what stands beside a secret may have swallowed it).
 */
export type SecretForm = "value" | "url" | "word";

/**
 * The part of JSON Schema (draft-07) that is used. `title` says what is expected, as in "expected a duration such as
 * 5m"; `examples[0]` is what a message shows; `x-not-yet` marks a key that is known but does not work in this version;
 * `x-secret` one whose value no message may repeat.
 */
export interface KeySchema {
  readonly $schema?: string;
  readonly title?: string;
  readonly description?: string;
  readonly examples?: readonly unknown[];
  readonly default?: unknown;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly KeySchema[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: KeySchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, KeySchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: false | KeySchema;
  readonly propertyNames?: KeySchema;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly allOf?: readonly KeySchema[];
  readonly not?: KeySchema;
  readonly if?: KeySchema;
  readonly else?: KeySchema;
  /** By key: the keys of the same mapping that are needed beside it. */
  readonly dependencies?: Readonly<Record<string, readonly string[]>>;
  readonly "x-not-yet"?: true;
  readonly "x-secret"?: SecretForm;
  /** What other tools call it. */
  readonly "x-known-as"?: readonly string[];
  /** The required key of the same mapping that is not needed beside this one. */
  readonly "x-replaces"?: string;
}

/** Keywords of ours, which validators of JSON Schema have to be told of. */
export const OWN_KEYWORDS: readonly string[] = ["x-not-yet", "x-replaces", "x-secret", "x-known-as"];

export const NAME_PATTERN = "^[A-Za-z0-9._-]{1,100}$";
/** Kafka's own rule; `.` and `..` are refused by Kafka and here. */
const TOPIC_PATTERN = "^(?!\\.{1,2}$)[A-Za-z0-9._-]{1,249}$";
const SEGMENT = "(?:[A-Za-z0-9_]+|`(?:[^`]|``)+`)(?:\\[\\]|\\{\\})*(?:#(?:[A-Za-z0-9_]+|`(?:[^`]|``)+`))?";
/** Segments joined by dots; a name with other characters in backticks; `[]` elements, `{}` map values, `#` branch. */
export const FIELD_PATH_PATTERN = `^${SEGMENT}(?:\\.${SEGMENT})*$`;

export function mapping(properties: Readonly<Record<string, KeySchema>>, required: readonly string[] = []): KeySchema {
  return { type: "object", properties, required, additionalProperties: false };
}

export function notYet(schema: KeySchema): KeySchema {
  return { ...schema, description: `Does not work yet. ${schema.description ?? ""}`, "x-not-yet": true };
}

export function duration(description: string, example: string, positive = false): KeySchema {
  const text = { type: "string", pattern: positive ? POSITIVE_DURATION_PATTERN : DURATION_PATTERN };
  return {
    ...(positive ? text : { anyOf: [text, { const: 0 }] }),
    title: `a duration${positive ? " greater than 0" : ""} such as ${example}`,
    description,
    examples: [example],
  };
}

/** `${NAME}`, as an example of a value. */
export function variable(name: string): string {
  return `\${${name}}`;
}

export function wholeNumber(description: string, minimum: number, maximum: number, example: number): KeySchema {
  return {
    type: "integer",
    minimum,
    maximum,
    title: `a whole number from ${minimum} to ${maximum}`,
    description,
    examples: [example],
  };
}

export function topicName(description: string, example: string): KeySchema {
  return {
    type: "string",
    pattern: TOPIC_PATTERN,
    title: `a topic name such as ${example}`,
    description,
    examples: [example],
  };
}

export function fieldPath(description: string, example: string): KeySchema {
  return {
    type: "string",
    pattern: FIELD_PATH_PATTERN,
    title: `a field path such as ${example}`,
    description,
    examples: [example],
  };
}

export function text(description: string, title: string, example: string): KeySchema {
  return { type: "string", minLength: 1, title, description, examples: [example] };
}

/** A number of windows, or `auto`. */
export function windowCount(description: string, minimum: number, example: number): KeySchema {
  return {
    anyOf: [{ const: "auto" }, { type: "integer", minimum, maximum: 10_000 }],
    title: `auto or a whole number of windows from ${minimum} to 10000`,
    default: "auto",
    description,
    examples: ["auto", example],
  };
}

/** Text that no message repeats; the example is what a configuration should hold in its place. */
export function secret(description: string, title: string, example: string): KeySchema {
  return { ...text(description, `${title} such as ${example}`, example), "x-secret": "value" };
}

/** An HTTP address; a user name and a password in it are refused later, and never shown. */
export function httpUrl(description: string, example: string): KeySchema {
  return {
    type: "string",
    pattern: "^https?://[^\\s]+$",
    title: `a URL such as ${example}`,
    description,
    examples: [example],
    "x-secret": "url",
  };
}
