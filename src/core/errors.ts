/**
 * Errors that cross folders. A built-in class is used wherever no caller has to tell errors apart;
 * a `StreamgaugeError` carries the code that the command line turns into an exit code.
 */

/** Exit codes of every command (README, "Exit codes"). */
export const EXIT_CODES = {
  ok: 0,
  rulesFailed: 1,
  configuration: 2,
  connection: 3,
  internal: 4,
  fenced: 5,
  interrupted: 130,
} as const;

/** One code per kind of failure that a caller tells apart; each stands once in the README. */
export type ErrorCode =
  /** The configuration file or the arguments are wrong: exit 2. */
  | "SG_CONFIG"
  /** An input file cannot be read as what it claims to be: exit 2. */
  | "SG_INPUT"
  /** A schema that its format forbids, or that is beyond the limits: a data verdict, or exit 2 when the user named it. */
  | "SG_SCHEMA"
  /** A broker or a registry does not answer: exit 3. */
  | "SG_CONNECT"
  /** A newer owner took over: exit 5. */
  | "SG_FENCED"
  /** Stored bytes are damaged: exit 4. */
  | "SG_CORRUPT"
  /** Stored bytes were written by a version of streamgauge that this one does not read: exit 4. */
  | "SG_VERSION";

const EXIT_OF: Readonly<Record<ErrorCode, number>> = {
  SG_CONFIG: EXIT_CODES.configuration,
  SG_INPUT: EXIT_CODES.configuration,
  SG_SCHEMA: EXIT_CODES.configuration,
  SG_CONNECT: EXIT_CODES.connection,
  SG_FENCED: EXIT_CODES.fenced,
  SG_CORRUPT: EXIT_CODES.internal,
  SG_VERSION: EXIT_CODES.internal,
};

/** An error whose code a caller may act on. `message` says the action first, then the state. */
export class StreamgaugeError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StreamgaugeError";
    this.code = code;
  }

  get exitCode(): number {
    return EXIT_OF[this.code];
  }
}
