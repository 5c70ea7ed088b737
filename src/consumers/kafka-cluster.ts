/** The part of kafkajs' inner `Cluster` that reads a partition without a consumer group. */
import type { ISocketFactory, KafkaConfig as KafkaJsConfig, Logger } from "kafkajs";
import type { PartitionData } from "./kafka-batch.ts";

export type KafkaClusterClass = new (
  options: KafkaJsConfig & {
    readonly logger: Logger;
    readonly socketFactory: ISocketFactory;
    readonly metadataMaxAge: number;
    readonly allowAutoTopicCreation: false;
    /** 1: read committed. */
    readonly isolationLevel: 1;
  },
) => KafkaCluster;

export interface KafkaCluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  /** Node ids, each with its partitions. */
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, readonly number[]>>;
  getNodeIds(): readonly string[];
  findBroker(node: { readonly nodeId: string }): Promise<KafkaNode>;
  fetchTopicsOffset(
    topics: readonly {
      readonly topic: string;
      readonly fromBeginning: boolean;
      readonly partitions: readonly { readonly partition: number }[];
    }[],
  ): Promise<readonly { readonly partitions: readonly { readonly partition: number; readonly offset: string }[] }[]>;
}

export interface KafkaEncoder {
  writeBufferInternal(bytes: Buffer): void;
}

/** Versions of one request that a broker knows, inclusive. */
export interface ApiVersionRange {
  readonly minVersion: number;
  readonly maxVersion: number;
}

export interface KafkaNode {
  /** By API key. */
  readonly versions: Readonly<Record<number, ApiVersionRange>>;
  readonly connectionPool: {
    send<T>(exchange: {
      readonly request: {
        readonly apiKey: number;
        readonly apiVersion: number;
        readonly apiName: string;
        /** What comes after the client's name in the request's header. */
        readonly encode: () => Promise<KafkaEncoder>;
      };
      readonly response: {
        /** Given what comes after the correlation id in the response's header. */
        readonly decode: (payload: Buffer) => Promise<T>;
        readonly parse: (decoded: T) => Promise<T>;
      };
    }): Promise<T>;
  };
  /** Of a consumer group (type 0) or a transactional id (type 1). */
  findGroupCoordinator(asked: { readonly groupId: string; readonly coordinatorType: 0 | 1 }): Promise<unknown>;
  fetch(request: {
    readonly maxWaitTime: number;
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly isolationLevel: 1;
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly fetchOffset: string;
        readonly maxBytes: number;
      }[];
    }[];
    readonly rackId: string;
  }): Promise<{ readonly responses: readonly { readonly partitions: readonly PartitionData[] }[] }>;
}
