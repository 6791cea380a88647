/** A form for what most chats are made of; for all else that a chat may be there is the API. */
import type { RefObject } from "preact";
import { AgentField, CheckField, FolderAndModel, MakeForm, TextField } from "../page/make-form.tsx";
import { client } from "../page/standing.ts";

export function NewChat({ nameField }: { nameField: RefObject<HTMLInputElement | null> }) {
  return (
    <section class="new inline" aria-labelledby="new-chat">
      <h2 id="new-chat">New chat</h2>
      <MakeForm
        act="Make"
        acting="Making…"
        make={async (given) => {
          const { name } = await client().chats.create({ name: given.text("name"), config: given.agent });
          return { name: "chat", chat: name };
        }}
      >
        <TextField label="Name" name="name" hint="small letters, digits, - and _" required field={nameField} />
        <AgentField takes={({ capabilities }) => capabilities.resume !== "none"} />
        <FolderAndModel folderWhenEmpty="one of the chat's own" />
        <CheckField label="Ask me before tools act" name="asks" />
      </MakeForm>
    </section>
  );
}
