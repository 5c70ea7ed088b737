/** Profiles that are used again after a flush: in steady state a flush then allocates next to nothing. */
import { Profile } from "./profile.ts";

/** Held back at most: a flush seldom touches more panes and slices. A profile of 20 fields is some 100 KB. */
const SPARE_MAX = 64;

export class ProfilePool {
  readonly #spare: Profile[] = [];

  /** An empty profile, as `Profile.empty(seed)`. */
  take(seed: number): Profile {
    const profile = this.#spare.pop();
    if (profile === undefined) return Profile.empty(seed);
    profile.clear(seed);
    return profile;
  }

  /** The caller must not use the profile any more. */
  giveBack(profile: Profile): void {
    if (this.#spare.length < SPARE_MAX) this.#spare.push(profile);
  }
}
