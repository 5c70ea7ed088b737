/** The schema registry, and nothing else, is called "registry" in this project. */

export interface RegisteredSchema {
  readonly id: number;
  readonly type: "AVRO";
  /** Schema text as registered. */
  readonly text: string;
}

export interface SchemaRegistry {
  /** The schema, or undefined when the registry does not know the id. Rejects when it cannot be asked. */
  schema(id: number): Promise<RegisteredSchema | undefined>;
}
