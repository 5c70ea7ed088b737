/** The schema registry, and nothing else, is called "registry" in this project. */

export interface RegisteredSchema {
  readonly id: number;
  /** `AVRO`, or what the registry calls another kind: `JSON`, `PROTOBUF`. */
  readonly type: string;
  /** Schema text as registered. */
  readonly text: string;
  /** Texts of the schemas that define names which `text` uses, each before those that use it. @default none */
  readonly references?: readonly string[];
}

export interface SchemaRegistry {
  /**
   * The schema, or undefined when the registry does not know the id. Rejects with a `StreamgaugeError`: `SG_CONNECT`
   * when it does not answer, `SG_CONFIG` when it refuses to (a login, a certificate: somebody has to mend it),
   * `SG_SCHEMA` when it answers and the schema cannot be used.
   */
  schema(id: number): Promise<RegisteredSchema | undefined>;
}
