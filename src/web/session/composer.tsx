/** Where people write: a prompt waits its turn, a steer goes into the turn that runs. What was not accepted stays there. */
import type { Signal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { visible } from "../../client/visible.ts";
import { useKeys } from "../page/keys.ts";
import { bytesText } from "../text/format.ts";
import { type AttachedImage, isPicture, mediaTypes } from "./attached-images.ts";
import { Draft, type Say } from "./draft.ts";

export interface ComposerProps {
  isBusy: boolean;
  /** Whether pictures may go with a prompt. */
  takesImages: boolean;
  onSay: Say;
}

export function Composer({ isBusy, takesImages, onSay }: ComposerProps) {
  const draft = useMemo(() => new Draft(), []);
  const field = useRef<HTMLTextAreaElement>(null);
  const chooser = useRef<HTMLInputElement>(null);
  useKeys({ p: () => field.current?.focus(), ...(takesImages ? { u: () => chooser.current?.click() } : {}) });
  const say = async (kind: "prompt" | "steer") => {
    // Whoever sent from the field may have left it meanwhile.
    const isInField = document.activeElement === field.current;
    await draft.send(kind, onSay);
    if (!isInField) field.current?.focus();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void say("prompt");
      }}
    >
      <Attached images={draft.images} fault={draft.fault.value} />
      <textarea
        ref={field}
        aria-label="Prompt"
        rows={2}
        placeholder={isBusy ? "The next prompt, or a word into this turn" : "A prompt"}
        value={draft.text.value}
        onInput={(event) => {
          draft.text.value = event.currentTarget.value;
        }}
        onPaste={(event) => {
          const pasted = [...(event.clipboardData?.files ?? [])];
          if (!takesImages || !pasted.some(isPicture)) return;
          event.preventDefault();
          void draft.attach(pasted);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          void say(isBusy && (event.ctrlKey || event.metaKey) ? "steer" : "prompt");
        }}
      />
      {takesImages && <Chooser chooser={chooser} onFiles={(files) => draft.attach(files)} />}
      <button type="submit" class="main" disabled={draft.isSending.value}>
        {isBusy ? "Queue" : "Send"}
      </button>
      {isBusy && (
        <button type="button" title="Ctrl+Enter" disabled={draft.isSending.value} onClick={() => void say("steer")}>
          Steer
        </button>
      )}
    </form>
  );
}

function Chooser(props: {
  chooser: { current: HTMLInputElement | null };
  onFiles(files: readonly File[]): Promise<void>;
}) {
  return (
    <>
      <input
        ref={props.chooser}
        class="unseen"
        type="file"
        multiple
        accept={mediaTypes.join(",")}
        aria-hidden="true"
        tabIndex={-1}
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          // The same file again is a choice too.
          event.currentTarget.value = "";
          void props.onFiles(files);
        }}
      />
      <button type="button" onClick={() => props.chooser.current?.click()}>
        Image <kbd>u</kbd>
      </button>
    </>
  );
}

/** What goes with the next prompt, each to be taken away again. */
function Attached({ images, fault }: { images: Signal<readonly AttachedImage[]>; fault: string }) {
  if (images.value.length === 0 && fault === "") return null;
  return (
    <div class="attached">
      {images.value.length > 0 && (
        <ul aria-label="Attached images">
          {images.value.map((attached, at) => (
            <li key={at}>
              {visible(attached.name)} <span class="dim">{bytesText(attached.bytes)}</span>{" "}
              <button
                type="button"
                class="link"
                aria-label={`Remove ${visible(attached.name)}`}
                onClick={() => {
                  images.value = images.value.filter((other) => other !== attached);
                }}
              >
                remove
              </button>
            </li>
          ))}
        </ul>
      )}
      {fault !== "" && (
        <p class="fault" role="alert">
          {fault}
        </p>
      )}
    </div>
  );
}
