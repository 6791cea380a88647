/** A form that makes something and leads there: what forms for sessions and chats have in common, fields too. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren, RefObject } from "preact";
import { useEffect } from "preact/hooks";
import type { AgentView } from "../../protocol/http.ts";
import { go, type Route } from "./route.ts";
import { client, noteFault } from "./standing.ts";

export interface MakeFormProps {
  /** What its button says, and what it says meanwhile. */
  act: string;
  acting: string;
  make(given: Given): Promise<Route>;
  children: ComponentChildren;
}

export function MakeForm({ act, acting, make, children }: MakeFormProps) {
  const fault = useSignal("");
  const isMaking = useSignal(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement) || isMaking.value) return;
    const given = new Given(new FormData(event.currentTarget));
    isMaking.value = true;
    fault.value = "";
    try {
      go(await make(given));
    } catch (error) {
      fault.value = noteFault(error);
    }
    isMaking.value = false;
  };
  return (
    <form onSubmit={submit}>
      {children}
      {fault.value !== "" && (
        <p class="fault" role="alert">
          {fault.value}
        </p>
      )}
      <button type="submit" class="main" disabled={isMaking.value}>
        {isMaking.value ? acting : act}
      </button>
    </form>
  );
}

/** What was filled in. */
export class Given {
  readonly #data: FormData;

  constructor(data: FormData) {
    this.#data = data;
  }

  text(name: string): string {
    return String(this.#data.get(name) ?? "").trim();
  }

  isChecked(name: string): boolean {
    return this.#data.get(name) !== null;
  }

  /** Those that are not empty, by their names. */
  filled<Name extends string>(...names: readonly Name[]): Partial<Record<Name, string>> {
    const filled: Partial<Record<Name, string>> = {};
    for (const name of names) if (this.text(name) !== "") filled[name] = this.text(name);
    return filled;
  }

  /** What the fields below are for, as the API takes it. */
  get agent() {
    return {
      agent: this.text("agent"),
      ...(this.isChecked("asks") ? { permission_mode: "interactive" as const } : {}),
      ...this.filled("work_dir", "model"),
    };
  }
}

export interface TextFieldProps {
  label: string;
  name: string;
  hint?: string;
  placeholder?: string;
  required?: boolean;
  field?: RefObject<HTMLInputElement | null>;
}

export function TextField({ label, name, hint, placeholder, required = false, field }: TextFieldProps) {
  return (
    <label>
      <span>
        {label} {hint !== undefined && <span class="dim">{hint}</span>}
      </span>
      <input
        ref={field ?? null}
        name={name}
        required={required}
        placeholder={placeholder}
        autocomplete="off"
        spellcheck={false}
      />
    </label>
  );
}

/** Those on the daemon's machine that may be chosen. */
export function AgentField({ takes = () => true }: { takes?(agent: AgentView): boolean }) {
  const agents = useSignal<readonly AgentView[] | undefined>(undefined);
  const fault = useSignal("");
  useEffect(() => {
    client()
      .agents()
      .then(
        (all) => {
          agents.value = all.filter((agent) => agent.is_found && takes(agent));
        },
        (error: unknown) => {
          fault.value = noteFault(error);
        },
      );
  }, []);
  return (
    <>
      <label>
        Agent
        <select name="agent" required>
          {agents.value?.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {agents.value?.length === 0 && (
        <p class="dim">
          The daemon's machine has none that can be used: <code>agentd agents install</code> there brings them,{" "}
          <code>agentd doctor</code> says what is missing.
        </p>
      )}
      {fault.value !== "" && (
        <p class="fault" role="alert">
          {fault.value}
        </p>
      )}
    </>
  );
}

export function CheckField({ label, name }: { label: string; name: string }) {
  return (
    <label class="check">
      <input type="checkbox" name={name} /> {label}
    </label>
  );
}

/** The folder and the model: both may be left to others. */
export function FolderAndModel({ folderWhenEmpty }: { folderWhenEmpty: string }) {
  return (
    <>
      <TextField
        label="Folder"
        name="work_dir"
        hint={`on the daemon's machine; ${folderWhenEmpty} when empty`}
        placeholder="/home/me/project"
      />
      <TextField label="Model" name="model" hint="the agent's own when empty" />
    </>
  );
}
