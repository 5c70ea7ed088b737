/**
 * Keeps a registry that is down from being asked more than once a second, by all requests together. Closed: everybody
 * may ask. Open, after a few failures in a row: one request a second may; the others fail at once with what the last
 * one found.
 */
import type { Clock } from "../core/clock.ts";
import type { RegistryFailure } from "./registry-failure.ts";

/** As many as one request makes attempts: a single bad moment is no outage. */
const FAILURES_MAX = 4;
/** Between two attempts while open. */
const PAUSE_MS = 1_000;
/** A registry may ask to be left alone for longer; beyond this it is asked all the same. */
const PAUSE_MS_MAX = 60_000;

export class RegistryCircuit {
  readonly #clock: Clock;
  #failures = 0;
  #last: RegistryFailure | undefined;
  #nextAskMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The last failure, when the registry must not be asked now. Undefined: go on, and say how it went. */
  refusal(): RegistryFailure | undefined {
    if (!this.#isOpen) return undefined;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#nextAskMs) return this.#last;
    // Taken by this request; the next one waits for its outcome, or for the pause.
    this.#nextAskMs = nowMs + PAUSE_MS;
    return undefined;
  }

  /** Whether this success ends an outage. */
  succeeded(): boolean {
    const wasOpen = this.#isOpen;
    this.#failures = 0;
    this.#last = undefined;
    return wasOpen;
  }

  /** Whether this failure begins an outage. */
  failed(failure: RegistryFailure): boolean {
    const wasOpen = this.#isOpen;
    // What does not pass by itself need not be tried again to be believed.
    this.#failures = failure.isPassing ? this.#failures + 1 : FAILURES_MAX;
    this.#last = failure;
    const pauseMs = Math.min(Math.max(PAUSE_MS, failure.waitMs ?? 0), PAUSE_MS_MAX);
    this.#nextAskMs = this.#clock.monotonicMs() + pauseMs;
    return !wasOpen && this.#isOpen;
  }

  get #isOpen(): boolean {
    return this.#failures >= FAILURES_MAX;
  }
}
