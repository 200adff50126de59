// UUID version 7 (RFC 9562): sortable, made by the sender, so that what is sent twice is one thing.

/**
 * @param {number} [nowMs]
 * @param {(bytes: Uint8Array<ArrayBuffer>) => Uint8Array} [random]
 */
export function uuid7(nowMs = Date.now(), random = (b) => crypto.getRandomValues(b)) {
  const bytes = new Uint8Array(16);
  random(bytes);
  let rest = nowMs;
  for (let i = 5; i >= 0; i -= 1) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
    .join('-');
}
