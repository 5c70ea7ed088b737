/** Runs a sink as a consumer group of its own on our topics. */
import type { Claim, Log, Subscription } from "../core/log.ts";
import type { Sink, SinkTopic } from "../core/sink.ts";
import { noTelemetry, type Telemetry } from "../core/telemetry.ts";
import type { TopicNames } from "../core/topics.ts";
import { observeLog } from "./observed-log.ts";

export function startSink(options: {
  readonly log: Log;
  readonly sink: Sink;
  readonly topics: TopicNames;
  readonly deployment: string;
  readonly group: string;
  /** @default none */
  readonly telemetry?: Telemetry;
}): Promise<Subscription> {
  const { log, sink, topics, telemetry = noTelemetry } = options;
  const stage = `sink.${sink.name}`;
  const kindOf = new Map<string, SinkTopic>(sink.topics.map((kind) => [topics[kind], kind]));
  const tell = (claim: Claim, what: "claimed" | "lost") => {
    const kind = kindOf.get(claim.topic);
    if (kind !== undefined) sink[what]?.(kind);
  };
  const write = observedWrite(sink, telemetry);
  return observeLog(log, { telemetry, stage }).subscribe(
    {
      group: `${options.group}.${stage}`,
      topics: [...kindOf.keys()],
      startFrom: "earliest",
      transactionalPrefix: `${options.deployment}.${stage}`,
    },
    {
      claimed: (claim) => tell(claim, "claimed"),
      async batch(claim, batch) {
        const kind = kindOf.get(batch.topic);
        if (kind !== undefined && batch.records.length > 0) await write(kind, batch.records);
        await claim.commit([], batch.toOffset);
      },
      lost: (claim) => tell(claim, "lost"),
    },
  );
}

function observedWrite(sink: Sink, telemetry: Telemetry): (...delivery: Parameters<Sink["write"]>) => Promise<void> {
  const failures = telemetry.counter("streamgauge_sink_failures_total", { sink: sink.name });
  return async (topic, records) => {
    const startMs = telemetry.clock.monotonicMs();
    try {
      await sink.write(topic, records);
    } catch (error) {
      failures.add(1);
      throw error;
    }
    telemetry
      .histogram("streamgauge_sink_write_duration_seconds", { sink: sink.name, topic })
      .observe((telemetry.clock.monotonicMs() - startMs) / 1000);
  };
}
