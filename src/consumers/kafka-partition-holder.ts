/**
 * Holds one assigned partition for as long as the group leaves it to us: claims it, waits until the claim is lost, and
 * claims it anew. How a claim is opened is the client's; see its `ClaimOpener`.
 */
import { StreamgaugeError } from "../core/errors.ts";
import type { OutputRecord } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { type ClaimHost, type ClaimStart, KafkaClaim } from "./kafka-claim.ts";

export interface ClaimOpener {
  /** After which nobody but the claim can move the position that it begins with. */
  open(claim: KafkaClaim, doubtful: readonly OutputRecord[]): Promise<ClaimStart>;
  /** What stands behind an error of `open`. */
  causeOf(error: unknown, claim: KafkaClaim): Promise<unknown>;
  /** Under which the claims of the partition commit. */
  transactionalId(topic: string, partition: number): string;
}

export interface HolderContext {
  readonly host: ClaimHost;
  readonly opener: ClaimOpener;
  readonly logger: Logger;
  /** The partition is still assigned and the subscription goes on. */
  readonly stillHeld: () => boolean;
  /** Settles after the group has next confirmed our membership, or has taken the partition away. */
  readonly confirmed: () => Promise<void>;
  /** The claim is open: from here to its loss the handler's methods are called. */
  readonly serve: (claim: KafkaClaim) => Promise<void>;
  /** The current claim, for what is fetched. */
  readonly current: (claim: KafkaClaim) => void;
}

/** That often within that time another holder has taken a partition which the group gives to us. */
const MAX_FENCES = 3;
const FENCES_WITHIN_MS = 60_000;
const MAX_BACK_OFF_MS = 1000;
const FIRST_BACK_OFF_MS = 100;

/** @throws {StreamgaugeError} `SG_FENCED` on the third fence within a minute; `SG_CONFIG` for what trying again does not cure */
export async function holdPartition(topic: string, partition: number, context: HolderContext): Promise<void> {
  const { host, opener, stillHeld } = context;
  const fencedAtMs: number[] = [];
  let doubtful: readonly OutputRecord[] = [];
  let failures = 0;
  while (stillHeld()) {
    const claim = new KafkaClaim(topic, partition, host);
    context.current(claim);
    const openedAtMs = host.clock.monotonicMs();
    if (!(await openClaim(claim, doubtful, context))) return;
    doubtful = [];
    await context.serve(claim);
    if (claim.lossReason === "fenced") {
      // A zombie is told by the group that it is one; if it is not, another process uses our id.
      await context.confirmed();
      if (!stillHeld()) return;
      const nowMs = host.clock.monotonicMs();
      fencedAtMs.push(nowMs);
      while (fencedAtMs[0]! < nowMs - FENCES_WITHIN_MS) fencedAtMs.shift();
      if (fencedAtMs.length >= MAX_FENCES) throw fencedTooOften(claim, opener.transactionalId(topic, partition));
    } else if (claim.lossReason === "unknown-outcome") {
      doubtful = claim.doubtful;
      failures = host.clock.monotonicMs() - openedAtMs > FENCES_WITHIN_MS ? 1 : failures + 1;
      await backOff(failures, context);
    }
  }
}

/** False when the partition was taken away meanwhile. */
async function openClaim(
  claim: KafkaClaim,
  doubtful: readonly OutputRecord[],
  context: HolderContext,
): Promise<boolean> {
  const { host, logger, opener, stillHeld } = context;
  for (let failures = 1; ; failures += 1) {
    try {
      const start = await opener.open(claim, doubtful);
      if (!claim.active || !stillHeld()) {
        start.writer.close();
        return false;
      }
      claim.open(start);
      return true;
    } catch (error) {
      if (!claim.active || !stillHeld()) return false;
      if (error instanceof StreamgaugeError && failures >= MAX_BEYOND_END) throw error;
      const cause = await opener.causeOf(error, claim);
      const failure = host.errors.describe(`claim ${claim.name}`, cause);
      if (!(error instanceof StreamgaugeError) && host.errors.isPermanent(cause)) throw failure;
      // With each doubling only: an outage of minutes must not fill the log.
      const tell = (failures & (failures - 1)) === 0;
      if (tell) logger.warn({ topic: claim.topic, partition: claim.partition, attempt: failures }, failure.message);
      await backOff(failures, context);
      if (!claim.active || !stillHeld()) return false;
    }
  }
}

/** A leader that has just come up may not know yet how far its replicas are; after so many looks the end is its end. */
const MAX_BEYOND_END = 12;

function fencedTooOften(claim: KafkaClaim, id: string): StreamgaugeError {
  const state = `another process has taken its transactional id ${id} ${MAX_FENCES} times in ${FENCES_WITHIN_MS / 1000} s`;
  const advice = "give each deployment its own name";
  return new StreamgaugeError("SG_FENCED", `Cannot hold ${claim.name}: ${state}; ${advice}`);
}

function backOff(failures: number, { host }: HolderContext): Promise<void> {
  const delayMs = Math.min(MAX_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (failures - 1));
  return new Promise((resolve) => {
    host.clock.after(delayMs, resolve);
  });
}
