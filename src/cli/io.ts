/** What a command may touch of its process; tests hand over their own. */
export interface Io {
  readonly stdout: (line: string) => void;
  readonly stderr: (line: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The terminal to draw on, or undefined when the output is a file or a pipe. */
  readonly terminal: Terminal | undefined;
  /** Calls `listener` at the first SIGINT or SIGTERM, instead of ending at once; a second one ends the process. */
  readonly onInterrupt?: (listener: () => void) => void;
}

export interface Terminal {
  readonly columns: number;
  readonly color: boolean;
  write(text: string): void;
}

export function processIo(onInterrupt: (listener: () => void) => void): Io {
  const { stdout, stderr, env } = process;
  return {
    stdout: (line) => {
      stdout.write(`${line}\n`);
    },
    stderr: (line) => {
      stderr.write(`${line}\n`);
    },
    env,
    onInterrupt,
    terminal: stdout.isTTY
      ? {
          columns: stdout.columns || 80,
          color: env.NO_COLOR === undefined && env.TERM !== "dumb",
          write: (text) => {
            stdout.write(text);
          },
        }
      : undefined,
  };
}

/**
 * For the whole process, once. A reader that leaves (`| head -1`) is no error: the rest goes nowhere, and a command
 * that writes files still ends with whole ones.
 */
export function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}
