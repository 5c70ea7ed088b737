/** What the tests of this folder share. */
import { ConfigError, formatProblem } from "../../src/config/config-error.ts";
import type { LoadedConfig, LoadOptions } from "../../src/config/load-config.ts";
import { loadConfig } from "../../src/config/load-config.ts";

export function load(text: string, options: Partial<LoadOptions> = {}): Promise<LoadedConfig> {
  return loadConfig({ text, file: "streamgauge.yaml", env: {}, command: "validate", readFile: noFile, ...options });
}

/** The error, or undefined when the text loads; anything else that is thrown goes through. */
export async function failure(text: string, options: Partial<LoadOptions> = {}): Promise<ConfigError | undefined> {
  try {
    await load(text, options);
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

/** All mistakes as lines, without the name of the file. */
export async function mistakes(text: string, options: Partial<LoadOptions> = {}): Promise<string[]> {
  const error = await failure(text, options);
  return (error?.problems ?? []).map((problem) => formatProblem(problem).replace(/^streamgauge\.yaml:/, ""));
}

function noFile(): string {
  throw new Error("there is no such file");
}
