/**
 * Tokens for SASL OAUTHBEARER by the client credentials grant (RFC 6749, section 4.4). A token is used until 80 % of its
 * life, so that the one in hand never runs out between two looks at it; kafkajs asks anew whenever the broker wants
 * another authentication.
 */
import type { Clock } from "../core/clock.ts";
import type { SaslConfig } from "../core/config.ts";
import { StreamgaugeError } from "../core/errors.ts";

type OAuthConfig = Extract<SaslConfig, { readonly mechanism: "oauthbearer" }>;

const USED_SHARE_OF_LIFE = 0.8;
/** Of a token whose answer does not tell: RFC 6749 leaves it to other means, of which there are none here. */
const DEFAULT_LIFE_MS = 300_000;
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_ANSWER_CHARACTERS = 1 << 20;

/** Callers at the same time share one request. */
export function createTokenSource(config: OAuthConfig, clock: Clock): () => Promise<string> {
  let held: { readonly token: string; readonly useUntilMs: number } | undefined;
  let pending: Promise<string> | undefined;
  const renew = async (): Promise<string> => {
    const askedAtMs = clock.monotonicMs();
    const { token, lifeMs } = await requestToken(config);
    held = { token, useUntilMs: askedAtMs + lifeMs * USED_SHARE_OF_LIFE };
    return token;
  };
  return () => {
    if (held !== undefined && clock.monotonicMs() < held.useUntilMs) return Promise.resolve(held.token);
    pending ??= renew().finally(() => {
      pending = undefined;
    });
    return pending;
  };
}

async function requestToken(config: OAuthConfig): Promise<{ token: string; lifeMs: number }> {
  const { tokenUrl, clientId, clientSecret, scope } = config;
  const action = `get a token from ${tokenUrl}`;
  // Section 2.3.1: both parts form-encoded, then joined.
  const credentials = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`);
  let status: number;
  let text: string;
  try {
    const response = await fetch(tokenUrl, {
      method: "POST",
      // Credentials are for this host alone.
      redirect: "error",
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      headers: {
        authorization: `Basic ${credentials.toString("base64")}`,
        accept: "application/json",
        "content-type": "application/x-www-form-urlencoded",
      },
      body: new URLSearchParams({ grant_type: "client_credentials", ...(scope === undefined ? {} : { scope }) }),
    });
    ({ status } = response);
    text = await response.text();
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new StreamgaugeError(
      "SG_CONNECT",
      `Cannot ${action}: ${cause instanceof Error ? cause.message : "no answer"}`,
    );
  }
  if (status >= 400 && status < 500) {
    throw new StreamgaugeError("SG_CONFIG", `Cannot ${action}: check kafka.sasl, the server answers ${status}`);
  }
  if (status !== 200) throw new StreamgaugeError("SG_CONNECT", `Cannot ${action}: the server answers ${status}`);
  const answer = text.length > MAX_ANSWER_CHARACTERS ? undefined : parseAnswer(text);
  if (answer === undefined) {
    throw new StreamgaugeError(
      "SG_CONFIG",
      `Cannot ${action}: the answer holds no access_token; is the address right?`,
    );
  }
  return answer;
}

function parseAnswer(text: string): { token: string; lifeMs: number } | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof answer !== "object" || answer === null || !("access_token" in answer)) return undefined;
  const { access_token: token } = answer;
  if (typeof token !== "string" || token === "") return undefined;
  const seconds = "expires_in" in answer ? Number(answer.expires_in) : Number.NaN;
  return { token, lifeMs: seconds > 0 ? seconds * 1000 : DEFAULT_LIFE_MS };
}
