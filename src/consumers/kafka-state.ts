/**
 * A compacted topic of ours in the hands of somebody who is no stage: read it, or change it as its owner would, once
 * nobody owns it.
 */
import type { Clock } from "../core/clock.ts";
import { StreamgaugeError } from "../core/errors.ts";
import type { LogRecord, OutputRecord } from "../core/log.ts";
import { KafkaAdmin } from "./kafka-admin.ts";
import { KafkaConnection, type KafkaConnectionOptions } from "./kafka-connection.ts";
import { isCoordinatorMissing, isFencedError, kafkaError } from "./kafka-errors.ts";
import { kafkaLibrary } from "./kafka-library.ts";
import { readLatest, restoreLatest } from "./kafka-restore.ts";
import { TransactionalHolder } from "./kafka-transactions.ts";

export interface StateOwner {
  /** The only id that may write the partition: of the stage's input partition. */
  readonly transactionalId: string;
  /** Consumer group of the stage. */
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
}

export interface KafkaStateAccess {
  /** Members that the consumer group has now. */
  members(group: string): Promise<number>;
  /** The newest committed record of each key, tombstones left out; disturbs nobody. */
  read(topic: string, partition: number): Promise<readonly LogRecord[]>;
  /**
   * Commits what `change` makes of the newest records, in one transaction. The owner's id is fenced first: what a process
   * that is taken for dead would still write is refused from then on.
   * @throws {StreamgaugeError} `SG_FENCED` when the group has members, or one took the id back meanwhile; then nothing was written
   */
  edit(owner: StateOwner, change: (records: readonly LogRecord[]) => readonly OutputRecord[]): Promise<void>;
  close(): Promise<void>;
}

export function createKafkaStateAccess(options: KafkaConnectionOptions): KafkaStateAccess {
  const connection = new KafkaConnection(kafkaLibrary(), options);
  const admin = new KafkaAdmin(connection);
  const members = async (group: string) => {
    try {
      const { groups } = await admin.ask((client) => client.describeGroups([group]));
      return groups[0]?.members.length ?? 0;
    } catch (error) {
      throw kafkaError(`look at the consumer group ${group}`, error);
    }
  };
  return {
    members,
    async read(topic, partition) {
      try {
        return [...(await readLatest(connection, topic, partition))];
      } catch (error) {
        throw kafkaError(`read ${topic}/${partition}`, error);
      }
    },
    async edit(owner, change) {
      await editAs(owner, change, { connection, clock: options.clock, members });
    },
    close: () => admin.close(),
  };
}

async function editAs(
  { transactionalId, group, topic, partition }: StateOwner,
  change: (records: readonly LogRecord[]) => readonly OutputRecord[],
  context: {
    readonly connection: KafkaConnection;
    readonly clock: Clock;
    readonly members: (group: string) => Promise<number>;
  },
): Promise<void> {
  const { connection, clock, members } = context;
  let holder: TransactionalHolder | undefined;
  try {
    await requireNobody(group, members);
    const held = await TransactionalHolder.fence(connection.forTransactions(), transactionalId);
    holder = held;
    const records = await restoreLatest({
      connection,
      clock,
      topic,
      partition,
      owner: transactionalId,
      writeSentinel: (sentinel) => held.commit([sentinel], clock.nowMs()),
      assertWanted: () => {},
    });
    const outputs = change([...records]);
    // One that began since has read what was there before. One that begins from here on fences us, or reads the change.
    await requireNobody(group, members);
    if (outputs.length > 0) await held.commit(outputs, clock.nowMs());
  } catch (error) {
    if (isFencedError(error)) {
      const state = `a process of the group ${group} has begun to run meanwhile, and nothing was changed`;
      throw new StreamgaugeError("SG_FENCED", `Cannot change ${topic}/${partition}: ${state}`, { cause: error });
    }
    const hidden = isCoordinatorMissing(error)
      ? await connection.coordinatorError("transactional id", transactionalId)
      : undefined;
    throw kafkaError(`change ${topic}/${partition}`, hidden ?? error);
  } finally {
    holder?.close();
  }
}

async function requireNobody(group: string, members: (group: string) => Promise<number>): Promise<void> {
  const count = await members(group);
  if (count === 0) return;
  const running = count === 1 ? "a process is" : `${count} processes are`;
  const advice = `Stop all "streamgauge run" of this deployment first; one that died is forgotten after 6 s`;
  throw new StreamgaugeError(
    "SG_FENCED",
    `Cannot change the state: ${running} running in the group ${group}. ${advice}`,
  );
}
