/** Where people write: a prompt waits its turn, a steer goes into the turn that runs. What was not accepted stays there. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { useKeys } from "../page/keys.ts";

export interface ComposerProps {
  isBusy: boolean;
  /** Tells whether it was accepted. */
  onSay(kind: "prompt" | "steer", text: string): Promise<boolean>;
}

export function Composer({ isBusy, onSay }: ComposerProps) {
  const text = useSignal("");
  const isSending = useSignal(false);
  const field = useRef<HTMLTextAreaElement>(null);
  useKeys({ p: () => field.current?.focus() });
  const say = async (kind: "prompt" | "steer") => {
    if (text.value.trim() === "" || isSending.value) return;
    isSending.value = true;
    if (await onSay(kind, text.value)) text.value = "";
    isSending.value = false;
    field.current?.focus();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void say("prompt");
      }}
    >
      <textarea
        ref={field}
        aria-label="Prompt"
        rows={2}
        placeholder={isBusy ? "The next prompt, or a word into this turn" : "A prompt"}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          void say(isBusy && (event.ctrlKey || event.metaKey) ? "steer" : "prompt");
        }}
      />
      <button type="submit" class="main" disabled={isSending.value}>
        {isBusy ? "Queue" : "Send"}
      </button>
      {isBusy && (
        <button type="button" title="Ctrl+Enter" disabled={isSending.value} onClick={() => void say("steer")}>
          Steer
        </button>
      )}
    </form>
  );
}
