/** What somebody is about to say: words and pictures, of which that is taken away which was accepted. What came meanwhile stays. */
import { signal } from "@preact/signals";
import type { Image } from "../../protocol/agent-options.ts";
import { messageOf } from "../../protocol/error.ts";
import { type AttachedImage, readPictures } from "./attached-images.ts";

/** Tells whether it was accepted. */
export type Say = (kind: "prompt" | "steer", text: string, images: readonly Image[]) => Promise<boolean>;

export class Draft {
  readonly text = signal("");
  readonly images = signal<readonly AttachedImage[]>([]);
  /** Why a picture was not attached. */
  readonly fault = signal("");
  readonly isSending = signal(false);
  #attaching = Promise.resolve();

  async send(kind: "prompt" | "steer", say: Say): Promise<void> {
    const text = this.text.value;
    if (text.trim() === "" || this.isSending.value) return;
    this.isSending.value = true;
    // A steer carries none: they wait for the next prompt.
    const images = kind === "prompt" ? this.images.value : [];
    const isAccepted = await say(
      kind,
      text,
      images.map(({ image }) => image),
    );
    if (isAccepted) {
      const now = this.text.value;
      // Who typed on meanwhile has not said that yet; who began anew neither.
      if (now.startsWith(text)) this.text.value = now.slice(text.length);
      this.images.value = this.images.value.filter((image) => !images.includes(image));
    }
    this.isSending.value = false;
  }

  /** One after the other, or two together would be more than may go with a prompt. */
  attach(files: readonly File[]): Promise<void> {
    this.#attaching = this.#attaching.then(() => this.#attach(files));
    return this.#attaching;
  }

  async #attach(files: readonly File[]): Promise<void> {
    this.fault.value = "";
    try {
      const read = await readPictures(files, this.images.value);
      // Some may have been sent or taken away meanwhile.
      this.images.value = [...this.images.value, ...read];
    } catch (error) {
      this.fault.value = messageOf(error);
    }
  }
}
