/** One HTTP request, bounded in time and size; redirects, statuses and contents are the caller's. */
import { type IncomingMessage, type Agent as PlainAgent, request as plainRequest } from "node:http";
import { type Agent as TlsAgent, request as tlsRequest } from "node:https";
import type { Clock } from "../core/clock.ts";

/** A registry's answer is a schema; of a larger one only the beginning is kept. */
export const BODY_BYTES_MAX = 4_194_304;

export interface GetOptions {
  readonly agent: PlainAgent | TlsAgent;
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** Milliseconds until the whole answer must be here. */
  readonly withinMs: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly location: string | undefined;
  readonly retryAfter: string | undefined;
  readonly text: string;
  /** Whether the answer was larger than `BODY_BYTES_MAX`. */
  readonly isCut: boolean;
}

/** The answer did not come in time. */
export class DeadlineError extends Error {
  constructor(withinMs: number) {
    super(`no answer within ${Math.round(withinMs)} ms`);
    this.name = "DeadlineError";
  }
}

/** Rejects with `DeadlineError`, or the error of Node with its `code`. */
export async function httpGet(url: URL, options: GetOptions): Promise<HttpAnswer> {
  const { agent, headers, clock, withinMs } = options;
  const request =
    url.protocol === "https:"
      ? tlsRequest(url, { agent: agent as TlsAgent, headers })
      : plainRequest(url, { agent: agent as PlainAgent, headers });
  let isLate = false;
  const timer = clock.after(withinMs, () => {
    isLate = true;
    request.destroy();
  });
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      // Stays for the time of the body, too, where the reader of the body is told as well.
      request.on("error", reject);
      request.end();
    });
    const { bytes, isCut } = await readBody(response);
    return {
      status: response.statusCode ?? 0,
      contentType: response.headers["content-type"] ?? "",
      location: response.headers.location,
      retryAfter: response.headers["retry-after"],
      text: new TextDecoder().decode(bytes),
      isCut,
    };
  } catch (error) {
    // Of a connection that we closed ourselves, Node only says that it was closed.
    throw isLate ? new DeadlineError(withinMs) : error;
  } finally {
    timer.cancel();
  }
}

async function readBody(response: IncomingMessage): Promise<{ bytes: Buffer; isCut: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving the loop destroys the connection: what is left of an oversized body is never read.
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) return { bytes: Buffer.concat(chunks), isCut: true };
    chunks.push(chunk);
  }
  return { bytes: Buffer.concat(chunks), isCut: false };
}
