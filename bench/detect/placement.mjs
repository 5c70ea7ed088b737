// Which faults share a stream when they stay in the history. Every fault keeps its window, so that its score beside the history and in it
// speak of the same rows; the streams are as many as that needs.

/** So far apart at least: two clean windows between two faults. */
const APART = 3;
/** Of the judged windows of a stream at most this share is faulted. */
const FAULTED_MAX = 0.1;

/** Faults of each stream by window, in the order of the windows. Takes the first stream that has room. */
export function streamsOf(faults, judgedWindows) {
  const most = Math.max(1, Math.floor(FAULTED_MAX * judgedWindows));
  const streams = [];
  for (const fault of faults) {
    let stream = streams.find(
      (held) => held.length < most && held.every(({ window }) => Math.abs(window - fault.window) >= APART),
    );
    if (stream === undefined) {
      stream = [];
      streams.push(stream);
    }
    stream.push(fault);
  }
  return streams.map((stream) => stream.sort((a, b) => a.window - b.window));
}
