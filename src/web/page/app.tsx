/** The page: who is let in sees the view that the address names, and the way to the others. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ChatView } from "../chats/chat-view.tsx";
import { ChatsView } from "../chats/chats-view.tsx";
import { FiguresView } from "../figures/figures-view.tsx";
import { SessionView } from "../session/session-view.tsx";
import { NewSession } from "../sessions/new-session.tsx";
import { SessionsView } from "../sessions/sessions-view.tsx";
import { live, watchSessions } from "../sessions/watch.ts";
import { Help } from "./help.tsx";
import { useKeys } from "./keys.ts";
import { Login } from "./login.tsx";
import { go, hrefOf, type Route, route } from "./route.ts";
import { leave, standing, token } from "./standing.ts";

export function App() {
  switch (standing.value) {
    case "in":
      return <Inside />;
    case "out":
      return <Login />;
    case "away":
      return (
        <main class="alone">
          <h1>agentd</h1>
          <p role="status">No daemon answers at this address. It is asked again every two seconds.</p>
        </main>
      );
    default:
      return <main class="alone" aria-busy="true" />;
  }
}

function Inside() {
  const isHelpOpen = useSignal(false);
  useEffect(watchSessions, []);
  // To be seen from another tab: somebody is waited for.
  useSignalEffect(() => {
    const askedCount = live.value.reduce((sum, { inputs }) => sum + inputs.length, 0);
    document.title = askedCount === 0 ? "agentd" : `(${askedCount}) agentd`;
  });
  useKeys({
    "?": () => {
      isHelpOpen.value = !isHelpOpen.value;
    },
    Escape: () => {
      if (isHelpOpen.value) isHelpOpen.value = false;
      else go({ name: "sessions" });
    },
    n: () => go({ name: "new" }),
  });
  return (
    <div class={`frame at-${route.value.name}`}>
      <header class="bar">
        <a class="brand" href="#/">
          agentd
        </a>
        <nav aria-label="Views">
          <Way to={{ name: "sessions" }}>Sessions</Way>
          <Way to={{ name: "new" }}>New</Way>
          <Way to={{ name: "chats" }}>Chats</Way>
          <Way to={{ name: "figures" }}>Figures</Way>
        </nav>
        <button type="button" class="quiet" onClick={() => (isHelpOpen.value = true)} aria-label="Keys and help">
          ?
        </button>
        {token.value !== undefined && (
          <button type="button" class="quiet" onClick={leave}>
            Leave
          </button>
        )}
      </header>
      <main>
        <View at={route.value} />
      </main>
      {isHelpOpen.value && <Help onClose={() => (isHelpOpen.value = false)} />}
    </div>
  );
}

function View({ at }: { at: Route }) {
  switch (at.name) {
    case "sessions":
      return <SessionsView />;
    case "session":
      return <SessionView key={at.id} id={at.id} />;
    case "new":
      return <NewSession />;
    case "chats":
      return <ChatsView />;
    case "chat":
      return <ChatView key={at.chat} name={at.chat} />;
    case "figures":
      return <FiguresView />;
    default:
      return at satisfies never;
  }
}

function Way({ to, children }: { to: Route; children: string }) {
  return (
    <a href={hrefOf(to)} aria-current={route.value.name === to.name ? "page" : undefined}>
      {children}
    </a>
  );
}
