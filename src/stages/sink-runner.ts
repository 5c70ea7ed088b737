/** Runs a sink as a consumer group of its own on our topics. */
import type { Log, Subscription } from "../core/log.ts";
import type { Sink, SinkTopic } from "../core/sink.ts";
import type { TopicNames } from "../core/topics.ts";

export function startSink(options: {
  readonly log: Log;
  readonly sink: Sink;
  readonly topics: TopicNames;
  readonly deployment: string;
  readonly group: string;
}): Promise<Subscription> {
  const kindOf = new Map<string, SinkTopic>(options.sink.topics.map((kind) => [options.topics[kind], kind]));
  return options.log.subscribe(
    {
      group: `${options.group}.sink.${options.sink.name}`,
      topics: [...kindOf.keys()],
      startFrom: "earliest",
      transactionalPrefix: `${options.deployment}.sink.${options.sink.name}`,
    },
    {
      async batch(claim, batch) {
        const kind = kindOf.get(batch.topic);
        if (kind !== undefined && batch.records.length > 0) await options.sink.write(kind, batch.records);
        await claim.commit([], batch.toOffset);
      },
    },
  );
}
