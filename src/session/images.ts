/** Pictures of prompts: files in the session's blobs, named in its log, read again when the prompt goes to the agent. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Image, StoredImage } from "../protocol/agent-options.ts";

/** Writes them for a turn; they are on disk when this resolves. What was written is removed when it rejects. */
export async function storeImages(folder: string, turnId: string, images: readonly Image[]): Promise<StoredImage[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const stored: StoredImage[] = [];
  try {
    for (const [index, { media_type, data }] of images.entries()) {
      const blob = `img-${turnId}-${index + 1}.${media_type.slice("image/".length)}`;
      const bytes = Buffer.from(data, "base64");
      stored.push({ media_type, blob, bytes: bytes.length });
      await writeFile(join(folder, blob), bytes, { mode: 0o600, flush: true });
    }
  } catch (error) {
    await removeImages(folder, stored);
    throw error;
  }
  return stored;
}

export function readImages(folder: string, stored: readonly StoredImage[]): Promise<Image[]> {
  return Promise.all(
    stored.map(async ({ media_type, blob }) => ({ media_type, data: await readFile(join(folder, blob), "base64") })),
  );
}

export async function removeImages(folder: string, stored: readonly StoredImage[]): Promise<void> {
  // One that cannot be removed must not hide why the rest is.
  await Promise.allSettled(stored.map(({ blob }) => rm(join(folder, blob), { force: true })));
}
