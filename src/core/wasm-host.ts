/** WebAssembly where the process has it: `node --jitless` does not. */

/** A module, compiled, as text; `undefined` where there is no WebAssembly. */
export function compileModule(base64: string): object | undefined {
  return HOST === undefined ? undefined : new HOST.Module(Buffer.from(base64, "base64"));
}

/** A memory that grows, up to 4 GB; `undefined` where there is none to be had: each takes some GB of addresses. */
export function createMemory(bytes: number): WasmMemory | undefined {
  if (HOST === undefined) return undefined;
  try {
    return new HOST.Memory({ initial: Math.ceil(bytes / PAGE_BYTES), maximum: MOST_PAGES });
  } catch {
    return undefined;
  }
}

/** The exports of a module that imports nothing but, if any, this memory. */
export function instanceOf<Exports>(module: object, memory?: WasmMemory): Exports & { readonly memory: WasmMemory } {
  const { Instance } = HOST!;
  return new Instance(module, { env: { memory } }).exports as Exports & { readonly memory: WasmMemory };
}

/** The exports of a module that imports nothing; `undefined` where there is no WebAssembly. */
export function instantiate<Exports>(base64: string): (Exports & { readonly memory: WasmMemory }) | undefined {
  const module = compileModule(base64);
  return module === undefined ? undefined : instanceOf<Exports>(module);
}

export interface WasmMemory {
  /** Another one after `grow()`, which detaches all views of it. */
  readonly buffer: ArrayBuffer;
  /** @throws {RangeError} when there are not so many more pages of 64 KB. */
  grow(pages: number): number;
}

export const PAGE_BYTES = 65_536;
export const MOST_PAGES = 65_536;

/** The part of the standard global that is used: the compiler's library for Node does not declare it. */
interface WebAssemblyHost {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
  readonly Memory: new (limits: { initial: number; maximum: number }) => WasmMemory;
}

const { WebAssembly: HOST } = globalThis as { WebAssembly?: WebAssemblyHost };
