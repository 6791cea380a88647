/** One session: what was said and done, what it asks, and what can be said to it. */
import { type Signal, useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { visible } from "../../client/visible.ts";
import type { Image } from "../../protocol/agent-options.ts";
import type { InputAnswer } from "../../protocol/command.ts";
import { Confirm } from "../page/confirm.tsx";
import { useKeys } from "../page/keys.ts";
import { go } from "../page/route.ts";
import { AnswerPanel } from "./answer-panel.tsx";
import { useCapabilities } from "./capabilities.ts";
import { Composer } from "./composer.tsx";
import { ConversationList } from "./conversation-list.tsx";
import { FaultLine } from "./fault-line.tsx";
import { Follower } from "./follower.ts";
import { NetworkView } from "./network-view.tsx";
import { QueueView } from "./queue-view.tsx";
import { SessionHead } from "./session-head.tsx";
import { TurnsView } from "./turns-view.tsx";
import { ListPlace } from "./virtual-list.tsx";

const tabs = ["Conversation", "Turns", "Network"] as const;
type Tab = (typeof tabs)[number];

export function SessionView({ id }: { id: string }) {
  const follower = useMemo(() => new Follower(id), [id]);
  const place = useMemo(() => new ListPlace(), [id]);
  const tab = useSignal<Tab>("Conversation");
  useEffect(() => follower.start(), [follower]);
  const acts = actsOf(follower);
  const question = useSignal<"stop" | "delete" | undefined>(undefined);
  const open = useComputed(() => {
    follower.thread.version.value;
    return follower.thread.conversation.openInputs(follower.view.value?.inputs ?? []);
  });
  const view = follower.view.value;
  const isOver = follower.thread.conversation.exit !== undefined || view?.ended_at !== undefined;
  const [asked] = open.value;
  const takesImages = useCapabilities(view?.agent)?.images !== "none";
  useKeys({
    i: () => void acts.interrupt(),
    x: () => {
      if (!isOver) question.value = "stop";
    },
    X: () => {
      question.value = "delete";
    },
    w: () => {
      const last = follower.view.value?.queue.at(-1);
      if (last) void acts.withdraw(last.turn_id);
    },
  });
  if (follower.isMissing.value) return <Missing follower={follower} />;
  return (
    <div class="session">
      <SessionHead
        follower={follower}
        onInterrupt={acts.interrupt}
        onStop={() => (question.value = "stop")}
        onDelete={() => (question.value = "delete")}
      />
      <Tabs tab={tab} />
      <FaultLine of={follower.thread} />
      {tab.value === "Conversation" && <ConversationList thread={follower.thread} place={place} />}
      {tab.value === "Turns" && (
        <TurnsView
          thread={follower.thread}
          onShow={(key) => {
            tab.value = "Conversation";
            place.toShow = key;
          }}
        />
      )}
      {tab.value === "Network" && <NetworkView id={id} />}
      {asked && !isOver && (
        <AnswerPanel
          input={asked}
          moreCount={open.value.length - 1}
          onAnswer={(answer) => acts.answer(asked.request_id, answer)}
        />
      )}
      {view && !isOver && <QueueView view={view} onWithdraw={acts.withdraw} />}
      {!isOver && (
        <Composer isBusy={view !== undefined && view.activity !== "idle"} takesImages={takesImages} onSay={acts.say} />
      )}
      <Question asked={question} isOver={isOver} acts={acts} />
    </div>
  );
}

function Missing({ follower }: { follower: Follower }) {
  return (
    <div class="session">
      <header class="head">
        <h1>{visible(follower.id)}</h1>
      </header>
      <FaultLine of={follower.thread} />
      <p>
        <a href="#/">All sessions</a>
      </p>
    </div>
  );
}

function Tabs({ tab }: { tab: Signal<Tab> }) {
  return (
    <div class="tabs" role="tablist" aria-label="Parts of the session">
      {tabs.map((name) => (
        <button
          key={name}
          type="button"
          role="tab"
          aria-selected={tab.value === name}
          onClick={() => {
            tab.value = name;
          }}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

interface QuestionProps {
  asked: Signal<"stop" | "delete" | undefined>;
  isOver: boolean;
  acts: Pick<ReturnType<typeof actsOf>, "stop" | "delete">;
}

/** Before what cannot be undone. */
function Question({ asked, isOver, acts }: QuestionProps) {
  const onClose = () => {
    asked.value = undefined;
  };
  if (asked.value === "stop")
    return (
      <Confirm title="Stop the session?" act="Stop it" onYes={acts.stop} onClose={onClose}>
        <p>Its turn is cut off, and what is queued never runs. It stays listed, with its log.</p>
      </Confirm>
    );
  if (asked.value === "delete")
    return (
      <Confirm title="Delete the session?" act="Delete it" onYes={acts.delete} onClose={onClose}>
        <p>{isOver ? "It goes" : "It is ended, and goes"} off the list. Its log stays on the daemon's disk.</p>
      </Confirm>
    );
  return null;
}

/** What people do to a session. What goes wrong is shown above the conversation, until something goes well. */
function actsOf(follower: Follower) {
  const tried = (act: () => Promise<unknown>) => follower.thread.faults.tried(act, () => follower.refresh());
  return {
    say: (kind: "prompt" | "steer", text: string, images: readonly Image[]) =>
      tried(() =>
        kind === "prompt"
          ? follower.handle.prompt(text, images.length === 0 ? {} : { images })
          : follower.handle.steer(text),
      ),
    withdraw: (turnId: string) => tried(() => follower.handle.withdraw(turnId)),
    interrupt: () => tried(() => follower.handle.interrupt()),
    stop: () => void tried(() => follower.handle.stop("now")),
    delete: async () => {
      try {
        await follower.handle.delete();
        go({ name: "sessions" });
      } catch (error) {
        follower.thread.faults.note(error);
      }
    },
    answer: async (requestId: string, answer: InputAnswer) => {
      await tried(() => follower.handle.respond(requestId, answer));
    },
  };
}
