/** The daemon's routes as functions. */
import * as z from "zod";
import type { Image } from "../protocol/agent-options.ts";
import type { ContextItem, InputAnswer, MentionItem } from "../protocol/command.ts";
import { defined } from "../protocol/defined.ts";
import {
  Collected,
  Health,
  HistoryEntry,
  InputAnswered,
  PromptAccepted,
  type SessionChange,
  SessionCreated,
  type SessionRequest,
  SessionView,
} from "../protocol/http.ts";
import type { DaemonAddress } from "./address.ts";
import { callDaemon, openCall, readAnswer, wholeBody } from "./http.ts";

const Anything = z.unknown();

export function getHealth(address: DaemonAddress, signal?: AbortSignal): Promise<Health> {
  return callDaemon(address, { path: "/health", signal }, Health);
}

/** With `key`, sending it again gives the first answer instead of a second session. */
export function createSession(
  address: DaemonAddress,
  request: z.input<typeof SessionRequest>,
  options: { key: string } = { key: crypto.randomUUID() },
): Promise<SessionCreated> {
  const headers = { "idempotency-key": options.key };
  return callDaemon(address, { method: "POST", path: "/sessions", body: request, headers }, SessionCreated);
}

export interface SessionFilter {
  state?: string | undefined;
  agent?: string | undefined;
  tags?: Readonly<Record<string, string>>;
  /** How their ids begin. */
  idPrefix?: string | undefined;
}

/** The newest of them, at most so many. */
export async function listNewest(
  address: DaemonAddress,
  { state, limit }: { state: string; limit: number },
): Promise<SessionView[]> {
  const query = new URLSearchParams({ state, order: "newest", limit: String(limit) });
  return callDaemon(address, { path: `/sessions?${query}` }, z.array(SessionView));
}

/** All of them, page by page: a daemon answers with so many at once. */
export async function listSessions(address: DaemonAddress, filter: SessionFilter = {}): Promise<SessionView[]> {
  const { state, agent, idPrefix } = filter;
  const query = new URLSearchParams(defined({ state, agent, id_prefix: idPrefix }));
  for (const [key, value] of Object.entries(filter.tags ?? {})) query.set(`tag.${key}`, value);
  const views: SessionView[] = [];
  for (;;) {
    const call = { path: `/sessions?${query}` };
    const response = await openCall(address, call);
    views.push(...(await readAnswer(address, call, { response, schema: z.array(SessionView) })));
    const next = response.headers.get("Agentruntime-Next");
    if (next === null) return views;
    query.set("after", next);
  }
}

/** Removes, or only lists, what the daemon's policy lets go of. */
export function collect(address: DaemonAddress, { dryRun }: { dryRun: boolean }): Promise<Collected> {
  return callDaemon(address, { method: "POST", path: "/gc", body: { dry_run: dryRun } }, Collected);
}

export function getSession(address: DaemonAddress, id: string, signal?: AbortSignal): Promise<SessionView> {
  return callDaemon(address, { path: sessionPath(id), signal }, SessionView);
}

/** Whether no turn runs or waits, so that there is nothing to interrupt. */
export function isIdle(view: SessionView): boolean {
  return view.activity === "idle" && view.queue.length === 0;
}

export function listHistory(address: DaemonAddress, limit: number): Promise<HistoryEntry[]> {
  return callDaemon(address, { path: `/sessions/history?limit=${limit}` }, z.array(HistoryEntry));
}

/** Says something to the agent. The same `key` twice is heard once, so a broken connection may be tried again. */
export function say(
  address: DaemonAddress,
  words: { id: string; kind: "prompt" | "steer"; text: string; key: string; images?: readonly Image[] },
): Promise<PromptAccepted> {
  return callDaemon(
    address,
    {
      method: "POST",
      path: `${sessionPath(words.id)}/${words.kind}`,
      body: { text: words.text, ...(words.images === undefined ? {} : { images: words.images }) },
      headers: { "idempotency-key": words.key },
    },
    PromptAccepted,
  );
}

/** Answers a question of the agent. The same answer again changes nothing, so it may be sent again. */
export function answerInput(
  address: DaemonAddress,
  { id, requestId, answer }: { id: string; requestId: string; answer: InputAnswer },
): Promise<InputAnswered> {
  const path = `${sessionPath(id)}/inputs/${encodeURIComponent(requestId)}`;
  return callDaemon(address, { method: "PUT", path, body: answer }, InputAnswered);
}

/** Takes back a prompt that waits. */
export async function withdrawPrompt(
  address: DaemonAddress,
  { id, turnId }: { id: string; turnId: string },
): Promise<void> {
  const path = `${sessionPath(id)}/prompts/${encodeURIComponent(turnId)}`;
  await callDaemon(address, { method: "DELETE", path }, Anything);
}

/** Rides with the next prompt or steer. Not to be sent again blindly: twice is twice. */
export async function addContext(
  address: DaemonAddress,
  { id, item }: { id: string; item: ContextItem },
): Promise<void> {
  await callDaemon(address, { method: "POST", path: `${sessionPath(id)}/context`, body: item }, Anything);
}

/** The same for lines of a file. */
export async function addMention(
  address: DaemonAddress,
  { id, item }: { id: string; item: MentionItem },
): Promise<void> {
  await callDaemon(address, { method: "POST", path: `${sessionPath(id)}/mention`, body: item }, Anything);
}

export function changeSession(
  address: DaemonAddress,
  { id, change }: { id: string; change: SessionChange },
): Promise<SessionView> {
  return callDaemon(address, { method: "PATCH", path: sessionPath(id), body: change }, SessionView);
}

export async function interruptSession(address: DaemonAddress, id: string): Promise<void> {
  await callDaemon(address, { method: "POST", path: `${sessionPath(id)}/interrupt` }, Anything);
}

export function stopSession(address: DaemonAddress, id: string, mode: "drain" | "now"): Promise<SessionView> {
  return callDaemon(address, { method: "POST", path: `${sessionPath(id)}/stop`, body: { mode } }, SessionView);
}

export async function deleteSession(address: DaemonAddress, id: string): Promise<void> {
  await callDaemon(address, { method: "DELETE", path: sessionPath(id) }, Anything);
}

/**
 * The log file from `since` on, also of sessions that only the disk remembers. A `since` inside a line
 * begins with the next one: asking from one byte earlier shows whether a line ends there.
 * @internal
 */
export async function* readLog(address: DaemonAddress, id: string, since: number): AsyncGenerator<Buffer, void> {
  const headers: Record<string, string> = since > 0 ? { range: `bytes=${since - 1}-` } : {};
  const response = await openCall(address, { path: `${sessionPath(id)}/log`, headers, acceptStatus: 416 });
  if (response.status === 416 || response.body === null) return;
  let torn = since > 0;
  for await (const chunk of response.body) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const lineEnd = torn ? bytes.indexOf(0x0a) : -1;
    if (torn && lineEnd === -1) continue;
    torn = false;
    if (lineEnd + 1 < bytes.length) yield bytes.subarray(lineEnd + 1);
  }
}

/** Bytes [from, to) of the log file; fewer when it is shorter. */
export async function readLogRange(
  address: DaemonAddress,
  { id, from, to, signal }: { id: string; from: number; to: number; signal?: AbortSignal | undefined },
): Promise<Uint8Array> {
  const headers = { range: `bytes=${from}-${to - 1}` };
  const response = await openCall(address, { path: `${sessionPath(id)}/log`, headers, acceptStatus: 416, signal });
  if (response.status === 416) return new Uint8Array();
  return new Uint8Array(await wholeBody(address, response.arrayBuffer(), signal));
}

function sessionPath(id: string): string {
  return `/sessions/${encodeURIComponent(id)}`;
}
