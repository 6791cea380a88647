/** A text message as it goes over the wire, made once for all sockets that it is sent to: a server's frames carry no mask. */

/** The last one; whoever sends to many sockets sends the same buffer to one after the other. */
let last: { payload: Buffer; frame: Buffer } | undefined;

/** The whole, unmasked, uncompressed frame (RFC 6455, 5.2). */
export function sharedFrame(payload: Buffer): Buffer {
  if (last?.payload === payload) return last.frame;
  const frame = Buffer.concat([headOf(payload.length), payload]);
  last = { payload, frame };
  return frame;
}

const finalText = 0x81;

function headOf(length: number): Buffer {
  if (length < 126) return Buffer.from([finalText, length]);
  if (length < 0x10000) return Buffer.from([finalText, 126, length >> 8, length & 0xff]);
  const head = Buffer.alloc(10);
  head.writeUInt16BE((finalText << 8) | 127, 0);
  head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}
