/** One session: what was said and done, what it asks, and what can be said to it. */
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { InputAnswer } from "../../protocol/command.ts";
import { useKeys } from "../page/keys.ts";
import { AnswerPanel } from "./answer-panel.tsx";
import { Composer } from "./composer.tsx";
import { ConversationList } from "./conversation-list.tsx";
import { Follower } from "./follower.ts";
import { NetworkView } from "./network-view.tsx";
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
  useKeys({ i: () => void acts.interrupt() });
  const open = useComputed(() => {
    follower.version.value;
    const { inputs, answered } = follower.conversation;
    const read = [...inputs.values()].map(({ input }) => input);
    // One that stands further up than was read is in the view.
    const further = (follower.view.value?.inputs ?? []).filter(
      ({ request_id }) => !inputs.has(request_id) && !answered.has(request_id),
    );
    return [...further, ...read];
  });
  const view = follower.view.value;
  const isOver = follower.conversation.exit !== undefined || view?.ended_at !== undefined;
  const [asked] = open.value;
  return (
    <div class="session">
      <SessionHead follower={follower} onInterrupt={acts.interrupt} onStop={acts.stop} />
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
      {follower.fault.value !== "" && (
        <p class="fault" role="alert">
          {follower.fault.value}
        </p>
      )}
      {tab.value === "Conversation" && <ConversationList thread={follower} place={place} />}
      {tab.value === "Turns" && (
        <TurnsView
          follower={follower}
          onShow={(key) => {
            tab.value = "Conversation";
            place.isAtEnd = false;
            place.scrollTo(place.heights.before(key - place.firstKey));
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
      {!isOver && <Composer isBusy={view !== undefined && view.activity !== "idle"} onSay={acts.say} />}
    </div>
  );
}

/** What people do to a session. What goes wrong is shown above the conversation, until something goes well. */
function actsOf(follower: Follower) {
  const tried = async (act: () => Promise<unknown>): Promise<boolean> => {
    try {
      await act();
      follower.fault.value = "";
      await follower.refresh();
      return true;
    } catch (error) {
      follower.note(error);
      return false;
    }
  };
  return {
    say: (kind: "prompt" | "steer", text: string) => tried(() => follower.handle[kind](text)),
    interrupt: () => tried(() => follower.handle.interrupt()),
    stop: () => tried(() => follower.handle.stop("now")),
    answer: async (requestId: string, answer: InputAnswer) => {
      await tried(() => follower.handle.respond(requestId, answer));
    },
  };
}
