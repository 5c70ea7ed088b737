/**
 * Whether `bytes[from, to)` is UTF-8 as RFC 3629 defines it: no overlong form, no surrogate, nothing over U+10FFFF.
 * Without allocation, unlike `node:buffer`'s `isUtf8`, which wants a view.
 */
export function isUtf8(bytes: Uint8Array, from: number, to: number): boolean {
  let i = from;
  while (i < to) {
    const lead = bytes[i]!;
    i++;
    if (lead < 0x80) continue;
    let following: number;
    // The second byte's range is what keeps overlong forms, surrogates and too large code points out.
    let low = 0x80;
    let high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
      following = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      following = 2;
      if (lead === 0xe0) low = 0xa0;
      if (lead === 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      following = 3;
      if (lead === 0xf0) low = 0x90;
      if (lead === 0xf4) high = 0x8f;
    } else {
      return false;
    }
    if (i + following > to) return false;
    if (bytes[i]! < low || bytes[i]! > high) return false;
    for (let k = 1; k < following; k++) {
      if ((bytes[i + k]! & 0xc0) !== 0x80) return false;
    }
    i += following;
  }
  return true;
}
