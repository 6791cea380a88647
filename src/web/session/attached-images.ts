/** Pictures that go with a prompt: chosen, pasted or dropped, and read here; what the daemon would refuse is refused at once. */
import { Image } from "../../protocol/agent-options.ts";

/** As docs/protocol.md has them. */
const countMax = 20;
const bytesMax = 5 * 1024 * 1024;
const totalBytesMax = 10 * 1024 * 1024;
export const mediaTypes = Image.shape.media_type.options;

export interface AttachedImage {
  name: string;
  bytes: number;
  image: Image;
}

export function isPicture({ type }: File): boolean {
  return Image.shape.media_type.safeParse(type).success;
}

/** What goes besides those that are held. Throws, in words for people, when they are no pictures, or too many, or too large. */
export async function readPictures(files: readonly File[], held: readonly AttachedImage[]): Promise<AttachedImage[]> {
  const read: AttachedImage[] = [];
  for (const file of files) {
    const all = [...held, ...read];
    const type = Image.shape.media_type.safeParse(file.type);
    if (!type.success) throw refusal(file, "it is none of PNG, JPEG, GIF and WebP");
    if (file.size > bytesMax) throw refusal(file, "it has more than 5 MiB");
    if (all.length >= countMax) throw refusal(file, `${countMax} go with a prompt, and no more`);
    if (all.reduce((sum, { bytes }) => sum + bytes, file.size) > totalBytesMax)
      throw refusal(file, "all together have more than 10 MiB");
    const data = await base64Of(file);
    read.push({ name: file.name, bytes: file.size, image: { media_type: type.data, data } });
  }
  return read;
}

function refusal(file: File, why: string): RangeError {
  return new RangeError(`Cannot attach "${file.name}": ${why}`);
}

async function base64Of(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  // As many arguments as a call may have.
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
