/** Messages for a session's WebSocket, and bytes that are nearly frames. */
import fc from "fast-check";
import { ClientFrame } from "../../../src/protocol/frame.ts";
import { type FrameShape, frame } from "../attacks/frames.ts";
import { meddled, valuesOf } from "./values.ts";

/** What is sent as whole messages. */
export const messages: fc.Arbitrary<string> = meddled(
  fc.oneof(...ClientFrame.options.map((option) => valuesOf(option))),
);

/** Mostly right: the first that is wrong ends the connection, and nothing behind it reaches anybody. */
const shape: fc.Arbitrary<FrameShape> = fc.record({
  opcode: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, fc.constantFrom(0, 1, 2, 3, 8, 9, 10, 15)),
  payload: fc.oneof(
    { weight: 4, arbitrary: messages.map((text) => text.slice(0, 2000)) },
    fc.uint8Array({ maxLength: 130 }).map(Buffer.from),
  ),
  fin: mostly(true, false),
  rsv: mostly(0, 1, 4),
  masked: mostly(true, false),
});

function mostly<T>(right: T, ...wrong: T[]): fc.Arbitrary<T> {
  return fc.oneof({ weight: 9, arbitrary: fc.constant(right) }, fc.constantFrom(...wrong));
}

/** Some frames in a row, with some of their bytes turned over and perhaps their end missing. */
export const frameBytes: fc.Arbitrary<Buffer> = fc
  .record({
    shapes: fc.array(shape, { minLength: 1, maxLength: 4 }),
    flips: fc.oneof(fc.constant([]), fc.array(fc.tuple(fc.nat(), fc.nat(7)), { maxLength: 3 })),
    cut: fc.option(fc.nat(), { freq: 2 }),
  })
  .map(({ shapes, flips, cut }) => {
    const bytes = Buffer.concat(shapes.map(frame));
    for (const [at, bit] of flips) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ (1 << bit);
    return cut === null ? bytes : bytes.subarray(0, cut % (bytes.length + 1));
  });

/** Bytes of a request, meddled with in the same way. */
export function headBytes(head: string): fc.Arbitrary<Buffer> {
  return fc
    .record({
      flips: fc.array(fc.tuple(fc.nat(), fc.nat(7)), { maxLength: 4 }),
      inserted: fc.option(
        fc.tuple(fc.nat(), fc.constantFrom("\r\n", "\n", "\0", ": ", "Transfer-Encoding: chunked\r\n", "\r\n\r\n")),
      ),
      cut: fc.option(fc.nat()),
    })
    .map(({ flips, inserted, cut }) => {
      const at = inserted === null ? 0 : inserted[0] % head.length;
      const bytes = Buffer.from(inserted === null ? head : head.slice(0, at) + inserted[1] + head.slice(at), "latin1");
      for (const [place, bit] of flips) bytes[place % bytes.length] = (bytes[place % bytes.length] ?? 0) ^ (1 << bit);
      return cut === null ? bytes : bytes.subarray(0, cut % (bytes.length + 1));
    });
}
