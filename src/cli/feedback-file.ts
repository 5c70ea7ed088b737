/** What people said of incidents, as JSON lines beside recorded events: each with the event time at which it was said. */
import { readFile } from "node:fs/promises";
import { StreamgaugeError } from "../core/errors.ts";
import { datasetOfIncident, parseFeedback, timeOf } from "../core/feedback.ts";
import type { OutputRecord } from "../core/log.ts";
import { printable, utf8 } from "../core/text.ts";
import { SHARD_KEY } from "../core/topics.ts";

/**
 * Records of the profiles topic in order of their time.
 * @throws {StreamgaugeError} `SG_INPUT` with the line
 */
export async function readFeedbackFile(
  file: string,
  { profilesTopic, datasets }: { readonly profilesTopic: string; readonly datasets: readonly string[] },
): Promise<OutputRecord[]> {
  const records: OutputRecord[] = [];
  for (const [index, line] of (await textOfFile(file)).split("\n").entries()) {
    if (line.trim() === "") continue;
    const place = `${file}:${index + 1}`;
    const feedback = placed(place, () => parseFeedback(line));
    if (feedback.at === undefined) throw refused(place, "at is missing: the event time at which it was said");
    const dataset = datasetOfIncident(feedback.incident);
    if (!datasets.includes(dataset)) {
      throw refused(place, `incident: "${printable(dataset)}" is none of the datasets ${datasets.join(", ")}`);
    }
    const value = utf8(JSON.stringify(feedback));
    records.push({ topic: profilesTopic, partition: 0, key: SHARD_KEY, value, timestampMs: timeOf(feedback.at) });
  }
  return records.sort((a, b) => a.timestampMs! - b.timestampMs!);
}

async function textOfFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reason = code === "ENOENT" ? "there is no such file" : error instanceof Error ? error.message : String(error);
    throw new StreamgaugeError("SG_INPUT", `Cannot read ${file}: ${reason}`, { cause: error });
  }
}

function placed<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof StreamgaugeError)) throw error;
    throw refused(place, error.message.replace(/^Cannot take feedback: /, ""));
  }
}

function refused(place: string, reason: string): StreamgaugeError {
  return new StreamgaugeError("SG_INPUT", `Cannot read ${place}: ${reason}`);
}
