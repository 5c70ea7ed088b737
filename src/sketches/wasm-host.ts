/** WebAssembly where the process has it: `node --jitless` does not. */

/** The exports of a module, which must not import anything; `undefined` where there is no WebAssembly. */
export function instantiate<Exports>(base64: string): (Exports & WasmMemory) | undefined {
  const { WebAssembly } = globalThis as { WebAssembly?: WebAssemblyHost };
  if (WebAssembly === undefined) return undefined;
  const module = new WebAssembly.Module(Buffer.from(base64, "base64"));
  return new WebAssembly.Instance(module).exports as Exports & WasmMemory;
}

/** Memory of a fixed size: views of it stay valid. */
export interface WasmMemory {
  readonly memory: { readonly buffer: ArrayBuffer };
}

/** The part of the standard global that is used: the compiler's library for Node does not declare it. */
interface WebAssemblyHost {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}
