/** A form for what most chats are made of; for all else that a chat may be there is the API. */
import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";
import type { AgentView } from "../../protocol/http.ts";
import { go } from "../page/route.ts";
import { client, noteFault } from "../page/standing.ts";

export function NewChat({ nameField }: { nameField: RefObject<HTMLInputElement | null> }) {
  const agents = useSignal<readonly AgentView[]>([]);
  const fault = useSignal("");
  const isMaking = useSignal(false);
  useEffect(() => {
    client()
      .agents()
      .then(
        (found) => {
          agents.value = found.filter(({ is_found, capabilities }) => is_found && capabilities.resume !== "none");
        },
        (error: unknown) => {
          fault.value = noteFault(error);
        },
      );
  }, []);
  const make = async (event: SubmitEvent) => {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement) || isMaking.value) return;
    const data = new FormData(event.currentTarget);
    isMaking.value = true;
    fault.value = "";
    try {
      const { name } = await client().chats.create(requestOf(data));
      go({ name: "chat", chat: name });
    } catch (error) {
      fault.value = noteFault(error);
    }
    isMaking.value = false;
  };
  return (
    <section class="new inline" aria-labelledby="new-chat">
      <h2 id="new-chat">New chat</h2>
      <form onSubmit={make}>
        <label>
          Name <span class="dim">small letters, digits, - and _</span>
          <input ref={nameField} name="name" required autocomplete="off" spellcheck={false} />
        </label>
        <label>
          Agent
          <select name="agent" required>
            {agents.value.map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Folder <span class="dim">on the daemon's machine; one of the chat's own when empty</span>
          <input name="work_dir" autocomplete="off" spellcheck={false} placeholder="/home/me/project" />
        </label>
        <label>
          Model <span class="dim">the agent's own when empty</span>
          <input name="model" autocomplete="off" spellcheck={false} />
        </label>
        <label class="check">
          <input type="checkbox" name="asks" /> Ask me before tools act
        </label>
        {fault.value !== "" && (
          <p class="fault" role="alert">
            {fault.value}
          </p>
        )}
        <button type="submit" class="main" disabled={isMaking.value}>
          {isMaking.value ? "Making…" : "Make"}
        </button>
      </form>
    </section>
  );
}

function requestOf(data: FormData) {
  const text = (name: string) => String(data.get(name) ?? "").trim();
  const given = (name: string) => (text(name) === "" ? {} : { [name]: text(name) });
  return {
    name: text("name"),
    config: {
      agent: text("agent"),
      ...(data.get("asks") === null ? {} : { permission_mode: "interactive" as const }),
      ...given("work_dir"),
      ...given("model"),
    },
  };
}
