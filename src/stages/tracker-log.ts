/** What the log says of a dataset's windows, besides those that close. */
import type { Logger } from "../core/logger.ts";
import type { ClosedWindow, TrackerEvent } from "../windows/window-tracker.ts";
import type { KeptProfile } from "./kept-profile.ts";

export function logTrackerEvent(
  logger: Logger,
  dataset: string,
  event: Exclude<TrackerEvent<KeptProfile>, ClosedWindow<KeptProfile>>,
): void {
  const fields = { dataset, ...event };
  switch (event.kind) {
    case "offset-gap":
    case "offset-overlap":
    case "offset-reset":
      logger.error(fields, "offset ranges do not join: the windows touched are partial");
      break;
    case "unheard":
    case "gap":
      logger.warn(fields, event.kind === "gap" ? "windows without events skipped" : "partition unheard");
      break;
    case "replayed":
    case "heard":
    case "slice-admitted":
    case "slice-retired":
      logger.info(fields, event.kind);
      break;
    default:
      event satisfies never;
  }
}
