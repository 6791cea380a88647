/** What a page without a token shows: where there is one, and a place to put it. It is kept in this tab alone. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { enter, refusal } from "./standing.ts";

export function Login() {
  const isAsking = useSignal(false);
  const field = useRef<HTMLInputElement>(null);
  // There is nothing else to do here.
  useEffect(() => field.current?.focus(), []);
  const submit = async (event: Event) => {
    event.preventDefault();
    isAsking.value = true;
    await enter(field.current?.value ?? "");
    isAsking.value = false;
    field.current?.select();
  };
  return (
    <main class="alone">
      <h1>agentd</h1>
      <p>
        This daemon asks for a token. On its machine, <code>agentd token</code> prints it;{" "}
        <code>agentd token create</code> makes one for somebody else.
      </p>
      <form class="login" onSubmit={submit}>
        <label for="token">Token</label>
        <input
          id="token"
          ref={field}
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          aria-describedby="kept"
        />
        <button type="submit" class="main" disabled={isAsking.value}>
          Enter
        </button>
      </form>
      <p id="kept" class="dim">
        It is kept in this tab until you close it, and sent in a header, never in an address.
      </p>
      {refusal.value !== "" && (
        <p class="fault" role="alert">
          {refusal.value}
        </p>
      )}
    </main>
  );
}
