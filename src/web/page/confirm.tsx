/** A question before what cannot be undone. Escape is no; the button that has the keyboard at first is no, too. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface ConfirmProps {
  title: string;
  /** What the button says that does it. */
  act: string;
  children: ComponentChildren;
  onYes(): void;
  onClose(): void;
}

export function Confirm({ title, act, children, onYes, onClose }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby="confirm-title" onClose={onClose}>
      <h2 id="confirm-title">{title}</h2>
      {children}
      <div class="answers">
        <button type="button" autofocus onClick={() => dialog.current?.close()}>
          Cancel
        </button>
        <button
          type="button"
          class="danger"
          onClick={() => {
            dialog.current?.close();
            onYes();
          }}
        >
          {act}
        </button>
      </div>
    </dialog>
  );
}
