/** A request for any route, made from the table of routes and the schemas of bodies. */
import fc from "fast-check";
import * as z from "zod";
import { routeTable } from "../../../src/api/route-table.ts";
import { TicketRequest, TokenRequest } from "../../../src/protocol/access.ts";
import { ChatConfig, ChatImportRequest, ChatMessageRequest, ChatName } from "../../../src/protocol/chat.ts";
import { ContextItem, MentionItem } from "../../../src/protocol/command.ts";
import {
  CollectRequest,
  InputAnswerRequest,
  PromptRequest,
  SessionChange,
  SessionRequest,
  SteerRequest,
  StopRequest,
} from "../../../src/protocol/http.ts";
import { meddled, text, valuesOf } from "./values.ts";

export interface FuzzedRequest {
  /** As the table writes it. */
  route: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
}

const nobody = fc.constant(undefined);

/** A chat that there is, unless it was just deleted. */
export const chatName = "talkative";

/** What each route that changes something takes; a test holds that none is forgotten. */
export const bodies: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  "POST /sessions": valuesOf(SessionRequest),
  "PATCH /sessions/:id": valuesOf(SessionChange),
  "POST /sessions/:id/stop": valuesOf(StopRequest),
  "DELETE /sessions/:id": nobody,
  "POST /sessions/:id/prompt": valuesOf(PromptRequest),
  "POST /sessions/:id/steer": valuesOf(SteerRequest),
  "DELETE /sessions/:id/prompts/:turn": nobody,
  "PUT /sessions/:id/inputs/:input": valuesOf(InputAnswerRequest),
  "POST /sessions/:id/interrupt": nobody,
  "POST /sessions/:id/context": valuesOf(ContextItem),
  "POST /sessions/:id/mention": valuesOf(MentionItem),
  "POST /tickets": valuesOf(TicketRequest),
  "POST /chats": valuesOf(z.strictObject({ name: ChatName, config: ChatConfig })),
  "POST /chats/import": valuesOf(ChatImportRequest),
  "POST /chats/:name/messages": valuesOf(ChatMessageRequest),
  "POST /chats/:name/attach": nobody,
  "PATCH /chats/:name/config": valuesOf(z.strictObject({ config: ChatConfig.partial() })),
  "DELETE /chats/:name": nobody,
  "POST /egress/reload": nobody,
  "POST /gc": valuesOf(CollectRequest),
  "POST /tokens": valuesOf(TokenRequest),
  "POST /tokens/:name/rotate": nobody,
  "DELETE /tokens/:name": nobody,
};

/** In which nothing waits long: whoever waits is tried elsewhere. */
const patient = new Map<string, fc.Arbitrary<string>>([
  ["wait", fc.constantFrom("0", "-1", "x", "61", "1e99", "0.01", "")],
  ["live", fc.constantFrom("sse", "x", "")],
]);
const questions = [
  ...["cursor", "limit", "since", "offset", "state", "agent", "work_dir", "task_id", "tag.x", "id_prefix", "order"],
  ...[
    "after",
    "until",
    "session",
    "ticket",
    "token",
    "wait",
    "live",
    "before",
    "remove_volume",
    "__proto__",
    "constructor",
  ],
];
const value = fc.oneof(text, fc.integer().map(String), fc.constantFrom("live", "ended", "oldest", "now", "-1"));
const question = fc
  .constantFrom(...questions)
  .chain((name) => (patient.get(name) ?? value).map((given) => `${encoded(name)}=${encoded(given)}`));
const query = fc.array(question, { maxLength: 4 }).map((parts) => (parts.length === 0 ? "" : `?${parts.join("&")}`));

const headerName = fc.constantFrom("idempotency-key", "last-event-id", "range", "if-none-match", "traceparent");
const headerValue = fc.oneof(
  fc.constantFrom(
    "bytes=0-9",
    "bytes=-1",
    "bytes=9-0,0-",
    "*",
    '"x"',
    "00-00000000000000000000000000000000-0000000000000000-00",
  ),
  fc.string({ maxLength: 30 }).map((given) => given.replace(/[^\x20-\x7e]/g, "")),
);
const contentType = fc.oneof(
  { weight: 9, arbitrary: fc.constant("application/json") },
  { weight: 1, arbitrary: fc.constantFrom("text/plain", "application/json; charset=utf-16", "application/jsonx", "x") },
);

/** Escaped where it must be, and now and then where it need not, or wrongly. */
function encoded(given: string): string {
  try {
    // Longer addresses end the connection that others are asked on; they are tried elsewhere.
    return encodeURIComponent(given.slice(0, 500));
  } catch {
    return "%zz";
  }
}

/** In the place of a session that there is when the request is sent. */
export const victims = ["VICTIM-0", "VICTIM-1"] as const;

/** They end whom they are sent to: were they sent to victims like the others, those would be dead nearly all the time. */
const fatal = ["DELETE /sessions/:id", "POST /sessions/:id/stop"];

export const requests: fc.Arbitrary<FuzzedRequest> = fc.constantFrom(...Object.keys(routeTable)).chain((route) => {
  const [method = "", pattern = ""] = route.split(" ");
  const [toVictims, toOthers] = fatal.includes(route) ? [1, 9] : [3, 1];
  const id = fc.oneof(
    { weight: toVictims, arbitrary: fc.constantFrom<string>(...victims) },
    { weight: toOthers, arbitrary: text.map(encoded) },
  );
  const part = fc.oneof(text.map(encoded), fc.constantFrom("t1", "none", "ci", chatName, "..%2fx", "%2e%2e"));
  const path = fc.tuple(id, part).map(([ref, other]) => pattern.replace(":id", ref).replace(/:(?!id)\w+/, other));
  const body = bodies[route];
  return fc.record({
    route: fc.constant(route),
    method: fc.constant(method),
    path: fc.tuple(path, query).map(([address, asked]) => address + asked),
    headers: fc
      .record({ type: contentType, other: fc.option(fc.tuple(headerName, headerValue)) })
      .map(({ type, other }) => ({
        ...(body === undefined || body === nobody ? {} : { "content-type": type }),
        ...(other === null ? {} : { [other[0]]: other[1] }),
      })),
    body: body === undefined || body === nobody ? nobody : meddled(body),
  });
});
