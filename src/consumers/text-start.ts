import type { ByteWindow } from "./byte-window.ts";
import { inputError } from "./input-error.ts";

/** Steps over the mark that some programs put before UTF-8; refuses the marks of UTF-16. */
export async function skipByteOrderMark(window: ByteWindow): Promise<void> {
  await window.need(3);
  const [first, second, third] = window.bytes.subarray(window.start, window.end);
  if (first === 0xef && second === 0xbb && third === 0xbf) window.start += 3;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw inputError(window.path, "", "it is UTF-16: convert it to UTF-8");
  }
}
