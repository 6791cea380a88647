/** A form for the few things that most sessions are made of; for all others there is the API. */
import { AgentField, CheckField, FolderAndModel, type Given, MakeForm, TextField } from "../page/make-form.tsx";
import { client } from "../page/standing.ts";

export function NewSession() {
  return (
    <div class="new">
      <h1>New session</h1>
      <MakeForm
        act="Start"
        acting="Starting…"
        make={async (given) => {
          const { id } = await client().sessions.create(requestOf(given));
          return { name: "session", id };
        }}
      >
        <AgentField />
        <label>
          Prompt
          <textarea name="prompt" rows={5} />
        </label>
        <FolderAndModel folderWhenEmpty="a fresh one" />
        <TextField label="Name" name="name" hint="to find it by" />
        <CheckField label="Ask me before tools act" name="asks" />
        <CheckField label="End when the prompt is done" name="once" />
      </MakeForm>
    </div>
  );
}

function requestOf(given: Given) {
  return { ...given.agent, interactive: !given.isChecked("once"), ...given.filled("prompt", "name") };
}
