/** The list of sessions, live, with filters and a search. */
import { signal, useComputed, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { visible } from "../../client/visible.ts";
import type { SessionView } from "../../protocol/http.ts";
import { useKeys } from "../page/keys.ts";
import { go, hrefOf } from "../page/route.ts";
import { agoText, costText, countText } from "../text/format.ts";
import { ended, isListed, listFault, live } from "./watch.ts";

const standings = ["live", "asking", "ended", "all"] as const;
type Standing = (typeof standings)[number];

/** What was chosen stays, while one looks into a session and comes back. */
const standing = signal<Standing>("live");
const agent = signal("");
const words = signal("");
const shownMax = 500;

export function SessionsView() {
  const cursor = useSignal(0);
  const search = useRef<HTMLInputElement>(null);
  const listed = useComputed(() => chosen());
  const agents = useComputed(() => [...new Set([...live.value, ...ended.value].map((view) => view.agent))].sort());
  const shown = listed.value.slice(0, shownMax);
  const move = (to: number) => {
    cursor.value = Math.max(0, Math.min(shown.length - 1, to));
    document.getElementById(`session-${cursor.value}`)?.scrollIntoView({ block: "nearest" });
  };
  useKeys({
    j: () => move(cursor.value + 1),
    k: () => move(cursor.value - 1),
    g: () => move(0),
    G: () => move(shown.length - 1),
    "/": () => search.current?.focus(),
    Enter: () => {
      const view = shown[cursor.value];
      if (view) go({ name: "session", id: view.session_id });
    },
  });
  return (
    <div class="sessions">
      <h1>Sessions</h1>
      <search class="filters">
        <input
          ref={search}
          type="search"
          aria-label="Search sessions"
          placeholder="Search: name, id, model, folder, tag"
          value={words.value}
          onInput={(event) => {
            words.value = event.currentTarget.value;
            cursor.value = 0;
          }}
        />
        <Choice
          label="State"
          values={standings}
          chosen={standing.value}
          onChoose={(value) => (standing.value = value as Standing)}
        />
        <Choice
          label="Agent"
          values={["", ...agents.value]}
          chosen={agent.value}
          onChoose={(value) => (agent.value = value)}
        />
      </search>
      {listFault.value !== "" && (
        <p class="fault" role="alert">
          {listFault.value}
        </p>
      )}
      <p class="dim" role="status">
        {isListed.value ? countedText(listed.value.length) : "…"}
      </p>
      {isListed.value && listed.value.length === 0 && <p class="dim">{emptyText()}</p>}
      <ul class="cards">
        {shown.map((view, index) => (
          <Card key={view.session_id} view={view} index={index} isAtCursor={index === cursor.value} />
        ))}
      </ul>
    </div>
  );
}

function Card({ view, index, isAtCursor }: { view: SessionView; index: number; isAtCursor: boolean }) {
  const word = view.ended_at === undefined ? (view.activity ?? view.status) : view.status;
  return (
    <li id={`session-${index}`} class={isAtCursor ? "card at-cursor" : "card"}>
      <a href={hrefOf({ name: "session", id: view.session_id })}>
        <span class="name">{visible(view.name ?? view.session_id.slice(0, 8))}</span>
        <span class={`state is-${word}`}>
          {word.replaceAll("_", " ")}
          {view.inputs.length > 0 && ` · ${view.inputs.length} to answer`}
        </span>
        <span class="what">
          {[view.agent, view.model ?? "", shortPath(view)]
            .filter((part) => part !== "")
            .map(visible)
            .join(" · ")}
        </span>
        <span class="figures">{figuresText(view)}</span>
        <time dateTime={view.created_at} title={view.created_at}>
          {agoText(view.last_activity ?? view.ended_at ?? view.created_at, Date.now())}
        </time>
      </a>
    </li>
  );
}

function Choice(props: { label: string; values: readonly string[]; chosen: string; onChoose(value: string): void }) {
  return (
    <label>
      {props.label}
      <select value={props.chosen} onChange={(event) => props.onChoose(event.currentTarget.value)}>
        {props.values.map((value) => (
          <option key={value} value={value}>
            {value === "" ? "any" : value}
          </option>
        ))}
      </select>
    </label>
  );
}

function chosen(): SessionView[] {
  const from =
    standing.value === "ended" ? ended.value : standing.value === "all" ? [...live.value, ...ended.value] : live.value;
  const wanted = words.value
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  return from.filter((view) => {
    if (standing.value === "asking" && view.inputs.length === 0) return false;
    if (agent.value !== "" && view.agent !== agent.value) return false;
    const text = searched(view);
    return wanted.every((word) => text.includes(word));
  });
}

function searched(view: SessionView): string {
  const tags = Object.entries(view.tags ?? {}).map(([key, value]) => `${key}=${value}`);
  const questions = view.inputs.map(({ message }) => message);
  return [
    view.session_id,
    view.name,
    view.agent,
    view.model,
    view.work_dir,
    view.status,
    view.activity,
    ...tags,
    ...questions,
  ]
    .join(" ")
    .toLowerCase();
}

/** Where else to look. */
function emptyText() {
  if (words.value.trim() !== "" || agent.value !== "")
    return "Nothing has all of these words, of this agent and state: take some away, or look at all states.";
  if (standing.value === "asking") return "No agent waits for an answer.";
  return (
    <>
      <a href={hrefOf({ name: "new" })}>Start a session</a> here, or with <code>agentd run</code>.
      {standing.value === "live" && ended.value.length > 0 && " Those that have ended are under State."}
    </>
  );
}

function countedText(count: number): string {
  if (count === 0) return "None.";
  const text = count === 1 ? "1 session" : `${count} sessions`;
  return count > shownMax ? `${text}, the newest ${shownMax} of them below` : text;
}

/** What there is of them: a session that has only just begun has used nothing. */
function figuresText({ input_tokens = 0, output_tokens = 0, cost_usd: cost }: SessionView): string {
  const tokens = input_tokens + output_tokens;
  return [
    ...(tokens === 0 ? [] : [`${countText(tokens)} ${tokens === 1 ? "token" : "tokens"}`]),
    ...(cost === undefined || cost === null ? [] : [costText(cost)]),
  ].join(" · ");
}

/** The last two folders; of one that was made for the session, that it was. */
function shortPath({ work_dir: path, session_id: id }: SessionView): string {
  if (path.endsWith(`/${id}/work`)) return "a folder of its own";
  const parts = path.split("/");
  return parts.length > 3 ? `…/${parts.slice(-2).join("/")}` : path;
}
