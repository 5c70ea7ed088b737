/**
 * Windows in a row in which one series stays out on one side of what was expected of it: a fault that lasts, or a new level. Which of the
 * two it is shows after a season: what was out for a whole one is normal now, and what comes back before it was a fault. (A test for a
 * single change of the mean, with the level before it known and held; no CUSUM, because small changes are the drift lane's.)
 *
 * A run that an alarm began *holds* the series: nothing is learned of its windows, so that they are all compared with the level before it and
 * a fault of any length leaves no trace. Other runs, below the threshold of alarms, are learned from as usual; they are shorter, and every
 * window of them has to be far out.
 *
 * A held run is over when windows are back, within a spread of the old level or a quarter of the way to the new one: one window, and
 * one more for each eight that it lasted, since in a long run a window may come back by chance. Four spreads out, one in 700 does.
 */
export interface LevelRunSnapshot {
  /** −1, 1; 0: there is no run. */
  readonly side: number;
  /** Windows that were out, and the sum of their innovations. */
  readonly length: number;
  readonly sum: number;
  /** Windows in a row that were back. */
  readonly back: number;
  /** Index of the first window. */
  readonly from: number;
  readonly isHeld: boolean;
  readonly isBlamed: boolean;
  /** Mean of its first season, once it was told to go on; before, 0. */
  readonly reach: number;
}

/** What the window's verdict said of the series. */
export interface Suspicion {
  /** The window alarmed. */
  readonly isAlarming: boolean;
  /** And the series is among those that are to blame. */
  readonly isBlamed: boolean;
}

/** Out by more than this, in spreads, without being blamed. */
const OUT = 3;
/** The verdict names it: less is needed. */
const OUT_BLAMED = 2;
/** Of the way to the new level: below, a window is back. */
const BACK = 0.25;
/** Or within so many spreads: a window that was out a little by chance is not followed by others for long. */
const BACK_SPREADS = 1;
/** Windows of a run for each one more that has to be back. */
const BACK_PER = 8;
const LENGTH_LEAST = 5;
/** Of a run that is not held: of longer seasons it does not wait for the whole. */
const UNHELD_LENGTH_MOST = 14;
/** A day of five-minute windows: for the longest season that is chosen by itself. */
const HELD_LENGTH_MOST = 288;

const NONE: LevelRunSnapshot = {
  side: 0,
  length: 0,
  sum: 0,
  back: 0,
  from: 0,
  isHeld: false,
  isBlamed: false,
  reach: 0,
};

export class LevelRun {
  readonly #season: number;
  #state: LevelRunSnapshot;

  constructor(season: number, snapshot: LevelRunSnapshot = NONE) {
    this.#season = season;
    this.#state = snapshot;
  }

  /** Nothing is to be learned of the window that was taken in last. */
  get isHeld(): boolean {
    return this.#state.isHeld;
  }

  /** An alarm that is not over named the series. */
  get isBlamed(): boolean {
    return this.#state.isBlamed;
  }

  /** The second season of a run that had one and was told to go on. */
  get isSecond(): boolean {
    return this.#state.reach !== 0;
  }

  /** Windows that the run has taken in. */
  get length(): number {
    return this.#state.length;
  }

  /** Index of its first window. */
  get from(): number {
    return this.#state.from;
  }

  /** How far the series has moved: the mean of the run's innovations. */
  get mean(): number {
    return this.#state.length === 0 ? 0 : this.#state.sum / this.#state.length;
  }

  /** It has been out for a season. */
  get isLasting(): boolean {
    const { side, length, isHeld } = this.#state;
    if (side === 0) return false;
    const most = isHeld ? HELD_LENGTH_MOST : UNHELD_LENGTH_MOST;
    return length >= Math.max(LENGTH_LEAST, Math.min(this.#season, most));
  }

  /** Takes in the window at `index`. `scale`: spread of innovations. */
  update(index: number, innovation: number, scale: number, { isAlarming, isBlamed }: Suspicion): void {
    if (this.#state.isHeld && this.#goesOn(innovation, scale, isBlamed)) return;
    const size = Math.abs(innovation);
    const side = Math.sign(innovation);
    const isFault = isAlarming && size > (isBlamed ? OUT_BLAMED : OUT) * scale;
    if (!isFault && !(size > OUT * scale)) {
      this.#state = NONE;
      return;
    }
    const { side: sideBefore, length, sum, isHeld, from } = this.#state;
    // A run that an alarm has found begins with it: before, the level was moving along.
    const continues = side === sideBefore && !isFault && !isHeld;
    this.#state = {
      ...NONE,
      side,
      length: continues ? length + 1 : 1,
      sum: continues ? sum + innovation : innovation,
      from: continues ? from : index,
      isHeld: isFault,
      isBlamed: isFault && isBlamed,
    };
  }

  /** The level went along, or something else has made an end of it. */
  end(): void {
    this.#state = NONE;
  }

  /** Waits for one more season. */
  again(): void {
    this.#state = { ...this.#state, length: 0, sum: 0, back: 0, reach: this.mean };
  }

  snapshot(): LevelRunSnapshot | null {
    return this.#state.side === 0 ? null : this.#state;
  }

  /** False: the run is over, and the window is one like any other. */
  #goesOn(innovation: number, scale: number, isBlamed: boolean): boolean {
    const state = this.#state;
    const reach = state.length === 0 ? state.reach : this.mean;
    const isBack = innovation * state.side < Math.max(BACK_SPREADS * scale, BACK * Math.abs(reach));
    if (!isBack) {
      this.#state = {
        ...state,
        length: state.length + 1,
        sum: state.sum + innovation,
        back: 0,
        isBlamed: state.isBlamed || isBlamed,
      };
      return true;
    }
    const back = state.back + 1;
    if (back > state.length / BACK_PER) return false;
    this.#state = { ...state, back };
    return true;
  }
}
