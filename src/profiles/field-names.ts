/**
 * How a field is called in metrics. The class that a path was first seen with owns the plain path; another class of
 * the same path (a type that changed from one writer schema to the next) is `path#text`, `path#number` …: the series
 * splits, and says so. Belongs to a dataset and is remembered, so that a name never moves from one field to another.
 */

import { StreamgaugeError } from "../core/errors.ts";
import { ByteWriter } from "../sketches/bytes.ts";
import { FIELD_CLASSES, type FieldClass } from "./field-kinds.ts";
import { readSealed, sealed } from "./sealed-bytes.ts";

/** Paths remembered; beyond it every field is called by path and class. */
const PATHS_MAX = 65_536;

export class FieldNames {
  /** The class that owns the plain path. */
  readonly #owners = new Map<string, FieldClass>();

  /** The name of a field; the first class asked for owns the path. */
  nameOf(path: string, fieldClass: FieldClass): string {
    let owner = this.#owners.get(path);
    if (owner === undefined && this.#owners.size < PATHS_MAX) {
      this.#owners.set(path, fieldClass);
      owner = fieldClass;
    }
    return owner === fieldClass ? path : `${path}#${fieldClass}`;
  }

  write(): Uint8Array {
    const writer = new ByteWriter();
    const owners = [...this.#owners].sort((a, b) => (a[0] < b[0] ? -1 : 1));
    writer.varint(owners.length);
    for (const [path, owner] of owners) {
      writer.string(path);
      writer.u8(FIELD_CLASSES.indexOf(owner));
    }
    return sealed(writer);
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(bytes: Uint8Array): FieldNames {
    return readSealed("field names", bytes, (reader) => {
      const names = new FieldNames();
      for (let left = reader.count(2); left > 0; left--) {
        const path = reader.string();
        const owner = FIELD_CLASSES[reader.u8()];
        if (owner === undefined) throw new StreamgaugeError("SG_CORRUPT", "Cannot read field names: unknown class");
        names.#owners.set(path, owner);
      }
      return names;
    });
  }
}
