/**
 * Long work in stints, between which other events have their turn: a member of a consumer group that is silent for some seconds
 * is taken for dead. The work is measured in bytes and not in time, so that a run can be repeated.
 */

/** Some milliseconds of unpacking, reading or merging. */
const STINT_BYTES = 64 * 1024;

/** Work in steps, each of which says how many bytes it was worth. */
export type Steps<T> = Generator<number, T>;

export class Stints {
  #bytes = 0;

  /** Takes all steps. */
  async through<T>(steps: Steps<T>): Promise<T> {
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value;
      await this.worked(value);
    }
  }

  /** To be awaited after work on so many bytes. */
  async worked(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes < STINT_BYTES) return;
    this.#bytes = 0;
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
