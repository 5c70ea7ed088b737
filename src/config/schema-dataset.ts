/** The keys of one dataset. */
import { WIDEN_DEFAULT, WIDEN_MAX } from "../core/calendar.ts";
import { PAIRS_MAX } from "../core/config.ts";
import { FALSE_ALARMS_PATTERN, WINDOW_SIZE_PATTERN } from "./duration.ts";
import type { KeySchema } from "./schema-parts.ts";
import {
  duration,
  FIELD_PATH_PATTERN,
  fieldPath,
  mapping,
  NAME_PATTERN,
  notYet,
  text,
  topicName,
  wholeNumber,
  windowCount,
} from "./schema-parts.ts";
import { impactKey, SEVERITY } from "./schema-severity.ts";

const PATTERNS: KeySchema = {
  type: "array",
  title: "a list of field patterns such as [trip.*]",
  description: "Field patterns.",
  examples: [["trip.*"]],
  items: text("One field pattern.", "a field pattern such as trip.*", "trip.*"),
};

const NUMBER: KeySchema = { type: "number", title: "a number such as 0.99", description: "A bound.", examples: [0.99] };

const DAY_OF_YEAR = "(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
const DAY = `[0-9]{4}-${DAY_OF_YEAR}`;

function localTime(description: string, example: string): KeySchema {
  return {
    type: "string",
    pattern: `^${DAY}(T([01][0-9]|2[0-3]):[0-5][0-9])?$`,
    title: "a day or local time such as 2026-03-01 or 2026-03-01T22:00",
    description,
    examples: [example],
  };
}

const CALENDAR: KeySchema = {
  type: "array",
  maxItems: 1_000,
  title: "a list of days and holidays such as [{name: Christmas, on: 12-25}, {holidays: US}]",
  description:
    "Days and times that are known to be unlike others, in the time zone of the windows: expectations of windows that touch one are wider, and nothing is muted. Default: none.",
  examples: [[{ name: "Christmas", on: "12-25" }, { holidays: "US" }]],
  items: {
    description: "One day, one span of time, or the holidays of a country.",
    examples: [{ name: "Christmas", on: "12-25", widen: 2 }],
    ...mapping({
      name: {
        type: "string",
        pattern: "^[^\n]{1,100}$",
        title: "a name such as Christmas",
        description: "What verdicts and incidents call it.",
        examples: ["Christmas"],
      },
      on: {
        type: "string",
        pattern: `^(${DAY}|${DAY_OF_YEAR})$`,
        title: "a day such as 12-25 (of every year) or 2026-12-25",
        description: "A day of every year, or of one.",
        examples: ["12-25", "2026-12-25"],
      },
      from: localTime("Begin of a span, with or without a time.", "2026-03-01T22:00"),
      to: localTime("Its end; without a time that day is the last one.", "2026-03-02T02:00"),
      holidays: {
        type: "string",
        pattern: "^[A-Z]{2}(-[A-Z0-9]{1,3})?$",
        title: "a country such as US, or a part of one such as DE-BY",
        description:
          "The public holidays of a country or a part of one; date-holidays has to be installed beside streamgauge.",
        examples: ["US", "DE-BY"],
      },
      widen: {
        type: "number",
        minimum: 1,
        maximum: WIDEN_MAX,
        title: `a number from 1 to ${WIDEN_MAX}`,
        description: `What scores are divided by, and expectations are wider by. Default: ${WIDEN_DEFAULT}.`,
        examples: [WIDEN_DEFAULT],
      },
    }),
  },
};

export const DATASET_KEYS: Readonly<Record<string, KeySchema>> = {
  topic: topicName("The topic to watch; also the name of the dataset.", "trips"),
  impact: impactKey("What it costs when the data is wrong, which decides the severity of alerts. Default: medium."),
  include: notYet({ ...PATTERNS, description: "Fields to profile." }),
  exclude: notYet({ ...PATTERNS, description: "Fields to leave out." }),
  shard: notYet(text("Datasets of one shard are judged together.", "a name such as main", "main")),
  schema: {
    type: ["string", "object", "array"],
    minLength: 1,
    title: "a path such as trips.avsc, or an Avro schema",
    description:
      "Avro schema of recorded files that carry none (JSON lines, CSV): the path of an .avsc file relative to this file, or the schema itself.",
    examples: ["trips.avsc"],
  },
  producerHeader: text(
    "Header of the records that says who produced them, as alerts then name it: service=checkout. Default: none.",
    "the name of a header such as service",
    "service",
  ),
  flushEvery: duration("Time between two flushes of the profiler. Default: 5s.", "5s", true),
  time: {
    description: "What the time of an event is, and how long to wait for late ones.",
    examples: [{ field: "picked_up_at", lateness: "2m" }],
    ...mapping({
      field: fieldPath("Field of the event time. Default: the broker's timestamp.", "picked_up_at"),
      lateness: duration("How far events may be behind the newest before windows close. Default: 2m.", "2m"),
      idleAfter: duration("A partition without records for this long no longer holds windows open. Default: 1m.", "1m"),
      unheardAfter: duration("An incident after this long without a word about a partition. Default: 5m.", "5m", true),
      maxAhead: duration("Further beyond the broker's timestamp an event is counted as future. Default: 1h.", "1h"),
      reviseFor: duration(
        "How long a closed window is revised by late events. Default: one day or 10 windows, whichever is less.",
        "1d",
      ),
    }),
  },
  windows: {
    description: "The windows of event time that are judged.",
    examples: [{ sizes: ["5m", "1h", "1d"], timezone: "UTC" }],
    ...mapping({
      sizes: {
        type: "array",
        minItems: 1,
        maxItems: 8,
        title: "a list of window sizes such as [5m, 1h, 1d]",
        default: ["1h"],
        description: "Window sizes; each larger one is a multiple of the next smaller. Default: [1h].",
        examples: [["5m", "1h", "1d"]],
        items: {
          type: "string",
          pattern: WINDOW_SIZE_PATTERN,
          title: "a window size in whole minutes, hours or days such as 5m",
          description: "A whole number of minutes, hours or days.",
          examples: ["5m", "1h", "1d"],
        },
      },
      timezone: {
        type: "string",
        minLength: 1,
        title: "an IANA time zone such as Europe/Berlin",
        default: "UTC",
        description: "Time zone in which windows of whole days begin. Default: UTC.",
        examples: ["UTC", "Europe/Berlin"],
      },
    }),
  },
  slices: {
    type: "array",
    maxItems: 20,
    title: 'a list of slices, each beginning with "- "',
    description: "Subsets of the events that are judged besides the whole. Default: none.",
    examples: [[{ by: "origin", limit: 50 }]],
    items: {
      description: "One slice per value of a field.",
      examples: [{ by: "origin", limit: 50 }],
      ...mapping(
        {
          by: fieldPath("Field whose values make the slices.", "origin"),
          name: {
            type: "string",
            pattern: NAME_PATTERN,
            title: "a name of letters, digits, ., _ and - such as origin",
            description: "Beginning of the slice names, as in origin=JFK. Default: the path.",
            examples: ["origin"],
          },
          limit: wholeNumber("Most values with a slice of their own; the rest is other. Default: 50.", 1, 10_000, 50),
          where: {
            ...notYet(text("Condition of one named slice.", "a condition", "hour(picked_up_at) < 6")),
            "x-replaces": "by",
          },
        },
        ["by"],
      ),
    },
  },
  fields: {
    type: "object",
    title: "a mapping of field paths such as {origin: {values: show}}",
    description: "What may be shown of single fields, and what they are worth.",
    examples: [{ origin: { values: "show" } }],
    propertyNames: { pattern: FIELD_PATH_PATTERN, title: "a field path such as trip.fare" },
    additionalProperties: {
      description: "One field.",
      examples: [{ values: "show" }],
      ...mapping({
        values: {
          type: "string",
          enum: ["show", "hash", "hide"],
          title: "one of show, hash, hide",
          description:
            "Whether values of the field leave as they are, hashed, or not at all. Default: hash for run, show for replay, demo and profile.",
          examples: ["show", "hash", "hide"],
        },
        impact: impactKey("What it costs when the field is wrong. Default: that of the dataset."),
      }),
    },
  },
  pairs: {
    type: "array",
    maxItems: PAIRS_MAX,
    title: `a list of at most ${PAIRS_MAX} pairs of fields such as [[dep_delay, arr_delay]]`,
    description:
      "Pairs of numbers, or of times of one kind, whose difference and correlation are watched; [] for none. Default: those whose names end in the same word, at most 16.",
    examples: [[["dep_delay", "arr_delay"]]],
    items: {
      type: "array",
      minItems: 2,
      maxItems: 2,
      title: "a pair of fields such as [dep_delay, arr_delay]",
      description: "The difference is first − second.",
      examples: [["dep_delay", "arr_delay"]],
      items: fieldPath("Field with one number or time per event.", "dep_delay"),
    },
  },
  detect: {
    description: "The detector.",
    examples: [{ season: "auto", warmup: "auto" }],
    ...mapping({
      season: windowCount("Windows per season; 1 is no season. Default: auto.", 1, 24),
      warmup: windowCount("Windows before the first verdict. Default: auto.", 1, 48),
      falseAlarms: {
        type: "string",
        pattern: FALSE_ALARMS_PATTERN,
        title: "a budget such as 1 per 30d",
        description:
          "False alarms that the thresholds aim at, in event time, over all sizes and slices of the dataset; of several datasets they add up. Default: 1 per 30d.",
        examples: ["1 per 30d"],
      },
      calendar: CALENDAR,
    }),
  },
  checks: notYet({
    type: "array",
    title: 'a list of checks, each beginning with "- "',
    description: "Rules that a person wrote.",
    examples: [[{ field: "fare", rule: "between", min: 0, max: 500 }]],
    items: {
      description: "One rule.",
      examples: [{ expect: "null_rate(driver_id) <= 0.01" }],
      ...mapping({
        field: fieldPath("Field that the rule is about.", "fare"),
        rule: text("Kind of rule.", "a rule such as between", "between"),
        min: { ...NUMBER, description: "Smallest allowed value.", examples: [0] },
        max: { ...NUMBER, description: "Largest allowed value.", examples: [500] },
        mostly: { ...NUMBER, description: "Share of the values that must follow the rule." },
        expect: text("Condition on metrics.", "a condition", "null_rate(driver_id) <= 0.01"),
        severity: { ...SEVERITY, description: "Severity of a break of the rule." },
        refuse: {
          type: "boolean",
          title: "true or false",
          description: "Whether a row that breaks the rule goes to quarantine.",
          examples: [true],
        },
      }),
    },
  }),
  quarantine: {
    description: "Where refused records go. Default: they are only counted.",
    examples: [{ topic: "trips.quarantine" }],
    ...mapping({ topic: topicName("Topic of refused records.", "trips.quarantine") }, ["topic"]),
  },
};
