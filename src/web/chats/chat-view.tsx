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
import { FaultLine } from "../session/fault-line.tsx";
import { ListPlace } from "../session/virtual-list.tsx";
import { firstLine } from "../text/shown.ts";
import { ChatFollower } from "./chat-follower.ts";
import { openInChat } from "./chat-questions.ts";

export function ChatView({ name }: { name: string }) {
  const follower = useMemo(() => new ChatFollower(name), [name]);
  const { thread } = follower;
  const place = useMemo(() => new ListPlace(), [name]);
  const isAsked = useSignal(false);
  useEffect(() => follower.start(), [follower]);
  const acts = actsOf(follower);
  useKeys({
    i: () => void acts.interrupt(),
    X: () => {
      isAsked.value = true;
    },
    Escape: () => go({ name: "chats" }),
  });
  const open = useComputed(() => {
    thread.version.value;
    return openInChat(thread.conversation, follower.session.value);
  });
  const [asked] = open.value;
  const isRunning = follower.view.value?.state === "running";
  return (
    <div class="session">
      <ChatHead follower={follower} onInterrupt={acts.interrupt} onDelete={() => (isAsked.value = true)} />
      <FaultLine of={thread} />
      <ConversationList thread={thread} place={place} />
      {asked && isRunning && (
        <AnswerPanel
          input={asked}
          moreCount={open.value.length - 1}
          onAnswer={(answer) => acts.answer(asked.request_id, answer)}
        />
      )}
      {follower.waiting.value !== undefined && (
        <p class="queued dim">Waits for this turn to end: {firstLine(follower.waiting.value, 200)}</p>
      )}
      <Composer isBusy={isRunning} takesImages={false} onSay={acts.say} />
      {isAsked.value && <DeleteQuestion name={name} onYes={acts.delete} onClose={() => (isAsked.value = false)} />}
    </div>
  );
}

function ChatHead(props: { follower: ChatFollower; onInterrupt(): Promise<unknown>; onDelete(): void }) {
  const { follower, onInterrupt, onDelete } = props;
  follower.thread.version.value;
  const view = follower.view.value;
  const session = follower.session.value;
  const isRunning = view?.state === "running";
  const count = view?.session_chain.length ?? 0;
  return (
    <header class="head">
      <h1>{follower.name}</h1>
      {view && (
        <span class={`state is-${view.state}`} role="status">
          {view.state}
          {isRunning && follower.thread.conversation.doing !== "" && ` · ${follower.thread.conversation.doing}`}
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
function actsOf(follower: ChatFollower) {
  const tried = (act: () => Promise<unknown>) => follower.thread.faults.tried(act, () => follower.refresh());
  return {
    say: (kind: "prompt" | "steer", text: string) =>
      tried(async () => (kind === "prompt" ? follower.handle.send(text) : follower.sessionHandle.steer(text))),
    interrupt: () => tried(async () => follower.sessionHandle.interrupt()),
    answer: async (requestId: string, answer: InputAnswer) => {
      await tried(() => follower.respond(requestId, answer));
    },
    delete: async (withSessions: boolean) => {
      try {
        await follower.handle.delete({ withSessions });
        go({ name: "chats" });
      } catch (error) {
        follower.thread.faults.note(error);
      }
    },
  };
}
