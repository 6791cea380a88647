/** A form for the few things that most sessions are made of; for all others there is the API. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { AgentView } from "../../protocol/http.ts";
import { go } from "../page/route.ts";
import { client, noteFault } from "../page/standing.ts";

export function NewSession() {
  const agents = useSignal<readonly AgentView[]>([]);
  const fault = useSignal("");
  const isStarting = useSignal(false);
  useEffect(() => {
    client()
      .agents()
      .then(
        (found) => {
          agents.value = found.filter(({ is_found }) => is_found);
        },
        (error: unknown) => {
          fault.value = noteFault(error);
        },
      );
  }, []);
  const start = async (event: SubmitEvent) => {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement) || isStarting.value) return;
    const data = new FormData(event.currentTarget);
    isStarting.value = true;
    fault.value = "";
    try {
      const session = await client().sessions.create(requestOf(data));
      go({ name: "session", id: session.id });
    } catch (error) {
      fault.value = noteFault(error);
    }
    isStarting.value = false;
  };
  return (
    <div class="new">
      <h1>New session</h1>
      <form onSubmit={start}>
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
          Prompt
          <textarea name="prompt" rows={5} />
        </label>
        <label>
          Folder <span class="dim">on the daemon's machine; a fresh one when empty</span>
          <input name="work_dir" autocomplete="off" spellcheck={false} placeholder="/home/me/project" />
        </label>
        <label>
          Model <span class="dim">the agent's own when empty</span>
          <input name="model" autocomplete="off" spellcheck={false} />
        </label>
        <label>
          Name <span class="dim">to find it by</span>
          <input name="name" autocomplete="off" spellcheck={false} />
        </label>
        <label class="check">
          <input type="checkbox" name="asks" /> Ask me before tools act
        </label>
        <label class="check">
          <input type="checkbox" name="once" /> End when the prompt is done
        </label>
        {fault.value !== "" && (
          <p class="fault" role="alert">
            {fault.value}
          </p>
        )}
        <button type="submit" class="main" disabled={isStarting.value}>
          {isStarting.value ? "Starting…" : "Start"}
        </button>
      </form>
    </div>
  );
}

function requestOf(data: FormData) {
  const text = (name: string) => String(data.get(name) ?? "").trim();
  const given = (name: string) => (text(name) === "" ? {} : { [name]: text(name) });
  return {
    agent: text("agent"),
    interactive: data.get("once") === null,
    ...(data.get("asks") === null ? {} : { permission_mode: "interactive" as const }),
    ...given("prompt"),
    ...given("work_dir"),
    ...given("model"),
    ...given("name"),
  };
}
