/** All keys, as a dialog. */
import { useEffect, useRef } from "preact/hooks";

const keys = [
  ["j, k", "the next, the one before"],
  ["g, G", "the first, the last"],
  ["Enter", "open: a session, a tool call"],
  ["/", "search; in a session Enter goes on further up, Shift+Enter further down"],
  ["Escape", "out of a field; no; back to the sessions, or the chats"],
  ["p", "write a prompt"],
  ["i", "interrupt the turn"],
  ["u", "choose images for the prompt"],
  ["w", "withdraw the prompt that was queued last"],
  ["a, s, d", "approve, approve for the session, deny"],
  ["x, X", "stop, delete: it asks first"],
  ["n", "a new session; a new chat"],
  ["?", "this"],
] as const;

export function Help({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={onClose}>
      <h2 id="help-title">Keys</h2>
      <dl>
        {keys.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <button type="button" class="main" onClick={() => dialog.current?.close()}>
        Close
      </button>
    </dialog>
  );
}
