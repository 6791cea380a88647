/** The chats, and a form for a new one. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { pause } from "../../client/retry.ts";
import { visible } from "../../client/visible.ts";
import type { ChatListed } from "../../protocol/chat.ts";
import { useKeys } from "../page/keys.ts";
import { go, hrefOf } from "../page/route.ts";
import { client, noteFault } from "../page/standing.ts";
import { agoText } from "../text/format.ts";
import { NewChat } from "./new-chat.tsx";

const everyMs = 2000;

export function ChatsView() {
  const chats = useSignal<readonly ChatListed[] | undefined>(undefined);
  const fault = useSignal("");
  const cursor = useSignal(0);
  const name = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const over = new AbortController();
    const watch = async () => {
      while (!over.signal.aborted) {
        try {
          if (!document.hidden || !chats.value) chats.value = newestFirst(await client().chats.list());
          fault.value = "";
        } catch (error) {
          if (!over.signal.aborted) fault.value = noteFault(error);
        }
        await pause(everyMs, over.signal);
      }
    };
    void watch();
    return () => over.abort();
  }, []);
  const shown = chats.value ?? [];
  const move = (to: number) => {
    cursor.value = Math.max(0, Math.min(shown.length - 1, to));
    document.getElementById(`chat-${cursor.value}`)?.scrollIntoView({ block: "nearest" });
  };
  useKeys({
    j: () => move(cursor.value + 1),
    k: () => move(cursor.value - 1),
    g: () => move(0),
    G: () => move(shown.length - 1),
    n: () => name.current?.focus(),
    Enter: () => {
      const chat = shown[cursor.value];
      if (chat) go({ name: "chat", chat: chat.name });
    },
  });
  return (
    <div class="chats">
      <h1>Chats</h1>
      <p class="dim">
        A chat goes on from session to session: each message gets one of its own, and nothing runs between two of them.
      </p>
      {fault.value !== "" && (
        <p class="fault" role="alert">
          {fault.value}
        </p>
      )}
      <ul class="cards" aria-label="Chats">
        {shown.map((chat, index) => (
          <Card key={chat.name} chat={chat} index={index} isAtCursor={index === cursor.value} />
        ))}
      </ul>
      {chats.value?.length === 0 && <p class="dim">None yet.</p>}
      <NewChat nameField={name} />
    </div>
  );
}

function Card({ chat, index, isAtCursor }: { chat: ChatListed; index: number; isAtCursor: boolean }) {
  const at = chat.last_active_at ?? chat.created_at;
  return (
    <li id={`chat-${index}`} class={isAtCursor ? "card at-cursor" : "card"}>
      <a href={hrefOf({ name: "chat", chat: chat.name })}>
        <span class="name">{chat.name}</span>
        <span class={`state is-${chat.state}`}>{chat.state}</span>
        <span class="what">
          {[chat.agent, chat.runtime ?? ""]
            .filter((part) => part !== "")
            .map(visible)
            .join(" · ")}
        </span>
        <span class="figures">
          {chat.session_count} {chat.session_count === 1 ? "session" : "sessions"}
        </span>
        <time dateTime={at} title={at}>
          {agoText(at, Date.now())}
        </time>
      </a>
    </li>
  );
}

function newestFirst(chats: readonly ChatListed[]): ChatListed[] {
  const at = ({ last_active_at, created_at }: ChatListed) => last_active_at ?? created_at;
  return [...chats].sort((a, b) => (at(a) < at(b) ? 1 : -1));
}
