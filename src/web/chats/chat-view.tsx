/** One chat: what was said in it, what its agent asks, and what can be said to it. */
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { visible } from "../../client/visible.ts";
import type { InputAnswer } from "../../protocol/command.ts";
import { Confirm } from "../page/confirm.tsx";
import { useKeys } from "../page/keys.ts";
import { go, hrefOf } from "../page/route.ts";
import { AnswerPanel } from "../session/answer-panel.tsx";
import { Composer } from "../session/composer.tsx";
import { ConversationList } from "../session/conversation-list.tsx";
import { ListPlace } from "../session/virtual-list.tsx";
import { firstLine } from "../text/shown.ts";
import { openInChat } from "./chat-questions.ts";
import { ChatThread } from "./chat-thread.ts";

export function ChatView({ name }: { name: string }) {
  const thread = useMemo(() => new ChatThread(name), [name]);
  const place = useMemo(() => new ListPlace(), [name]);
  const isAsked = useSignal(false);
  useEffect(() => thread.start(), [thread]);
  const acts = actsOf(thread);
  useKeys({
    i: () => void acts.interrupt(),
    X: () => {
      isAsked.value = true;
    },
    Escape: () => go({ name: "chats" }),
  });
  const open = useComputed(() => {
    thread.version.value;
    return openInChat(thread.conversation, thread.session.value);
  });
  const [asked] = open.value;
  const isRunning = thread.view.value?.state === "running";
  return (
    <div class="session">
      <ChatHead thread={thread} onInterrupt={acts.interrupt} onDelete={() => (isAsked.value = true)} />
      {thread.faults.shown.value !== "" && (
        <p class="fault" role="alert">
          {thread.faults.shown.value}
        </p>
      )}
      <ConversationList thread={thread} place={place} />
      {asked && isRunning && (
        <AnswerPanel
          input={asked}
          moreCount={open.value.length - 1}
          onAnswer={(answer) => acts.answer(asked.request_id, answer)}
        />
      )}
      {thread.waiting.value !== undefined && (
        <p class="queued dim">Waits for this turn to end: {firstLine(thread.waiting.value, 200)}</p>
      )}
      <Composer isBusy={isRunning} takesImages={false} onSay={acts.say} />
      {isAsked.value && <DeleteQuestion name={name} onYes={acts.delete} onClose={() => (isAsked.value = false)} />}
    </div>
  );
}

function ChatHead(props: { thread: ChatThread; onInterrupt(): Promise<unknown>; onDelete(): void }) {
  const { thread, onInterrupt, onDelete } = props;
  thread.version.value;
  const view = thread.view.value;
  const session = thread.session.value;
  const isRunning = view?.state === "running";
  const count = view?.session_chain.length ?? 0;
  return (
    <header class="head">
      <h1>{thread.name}</h1>
      {view && (
        <span class={`state is-${view.state}`} role="status">
          {view.state}
          {isRunning && thread.conversation.doing !== "" && ` · ${thread.conversation.doing}`}
        </span>
      )}
      {view && (
        <span class="dim">
          {visible(view.config.agent)} · {count} {count === 1 ? "session" : "sessions"}
          {session && (
            <>
              {" · "}
              <a href={hrefOf({ name: "session", id: session.session_id })}>the one that runs</a>
            </>
          )}
        </span>
      )}
      {view && (
        <span class="acts">
          <button type="button" disabled={!isRunning} onClick={() => void onInterrupt()}>
            Interrupt <kbd>i</kbd>
          </button>
          <button type="button" class="danger" onClick={onDelete}>
            Delete <kbd>X</kbd>
          </button>
        </span>
      )}
    </header>
  );
}

function DeleteQuestion(props: { name: string; onYes(withSessions: boolean): void; onClose(): void }) {
  const box = useRef<HTMLInputElement>(null);
  return (
    <Confirm
      title={`Delete the chat ${props.name}?`}
      act="Delete it"
      onYes={() => props.onYes(box.current?.checked === true)}
      onClose={props.onClose}
    >
      <p>What runs in it ends. Its sessions stay listed, with their logs.</p>
      <label class="check">
        <input ref={box} type="checkbox" /> Delete its sessions, the agent's private home and the chat's folder too
      </label>
    </Confirm>
  );
}

/** What people do to a chat. What goes wrong is shown above the conversation, until something goes well. */
function actsOf(thread: ChatThread) {
  const tried = (act: () => Promise<unknown>) => thread.faults.tried(act, () => thread.refresh());
  return {
    say: (kind: "prompt" | "steer", text: string) =>
      tried(async () => (kind === "prompt" ? thread.handle.send(text) : thread.sessionHandle.steer(text))),
    interrupt: () => tried(async () => thread.sessionHandle.interrupt()),
    answer: async (requestId: string, answer: InputAnswer) => {
      await tried(() => thread.respond(requestId, answer));
    },
    delete: async (withSessions: boolean) => {
      try {
        await thread.handle.delete({ withSessions });
        go({ name: "chats" });
      } catch (error) {
        thread.faults.note(error);
      }
    },
  };
}
