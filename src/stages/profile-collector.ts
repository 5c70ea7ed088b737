/** Stage 1 and windows, without a detector: the profile of every window of a bounded feed. */
import type { Clock } from "../core/clock.ts";
import type { ReaderSource } from "../core/column-batch.ts";
import type { DatasetConfig } from "../core/config.ts";
import type { OutputRecord } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { WindowId } from "../core/window.ts";
import { FieldNames } from "../profiles/field-names.ts";
import type { Profile } from "../profiles/profile.ts";
import { WindowTracker } from "../windows/window-tracker.ts";
import { feedInLockstep, type SealableLog } from "./bounded-run.ts";
import { trackerOptions } from "./dataset-judge.ts";
import { DeltaAssembler } from "./delta-assembler.ts";
import { keptPanes } from "./kept-profile.ts";
import { startProfiler } from "./profiler.ts";

export interface CollectedWindow {
  readonly window: WindowId;
  readonly revision: number;
  /** To be read during the call only. */
  readonly profile: Profile;
  readonly names: FieldNames;
}

export interface ProfileCollectorOptions {
  readonly log: SealableLog;
  readonly readers: ReaderSource;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Its slices are not looked at. */
  readonly dataset: DatasetConfig;
  readonly profilesTopic: string;
  readonly hashLabel: (text: string) => string;
  readonly feed: AsyncIterable<readonly OutputRecord[]>;
  readonly flushRecords: number;
  readonly onProgress: (records: number) => void;
  /** Called for every window that has events; again, with a higher revision, when late events changed it. */
  readonly onWindow: (window: CollectedWindow) => Promise<void>;
}

export async function collectProfiles(options: ProfileCollectorOptions): Promise<void> {
  const { log, dataset } = options;
  const tracker = new WindowTracker(trackerOptions({ ...dataset, slices: [] }));
  const assembler = new DeltaAssembler();
  const names = new FieldNames();
  const feeder = feedInLockstep(log, options.feed, options.onProgress);
  const profiler = await startProfiler({
    ...options,
    deployment: "profile",
    group: "profile.profiler",
    datasets: [{ ...dataset, slices: [] }],
    startFrom: "earliest",
    time: "records",
    onBatch: feeder.onBatch,
  });
  const collector = await log.subscribe(
    {
      group: "profile.collector",
      topics: [options.profilesTopic],
      startFrom: "earliest",
      transactionalPrefix: "profile.collector",
    },
    {
      async batch(claim, batch) {
        for (const record of batch.records) {
          const flush = assembler.take(record, batch.topic, batch.partition);
          if (flush === undefined) continue;
          for (const event of tracker.apply(flush.entry, keptPanes(flush.panes))) {
            if (event.kind !== "closed" || event.empty) continue;
            const { window, revision, profile } = event;
            await options.onWindow({ window, revision, profile: profile.look(), names });
          }
        }
        await claim.commit([], assembler.position(batch.toOffset));
      },
    },
  );
  try {
    const failed = Promise.all([profiler.done, collector.done]).then(() => undefined);
    failed.catch(() => undefined);
    await feeder.run(failed);
    log.seal(dataset.topic);
    await Promise.race([profiler.done, failed]);
    log.seal(options.profilesTopic);
    await collector.done;
  } finally {
    await Promise.all([profiler.stop(), collector.stop()]);
  }
}
