/** OpenCode: the OpenAPI document that its server gives of itself, with the routes and events of the harness. */
import { readdirSync, readFileSync } from "node:fs";
import { execa } from "execa";
import * as z from "zod";
import * as conversation from "../../../sidecar/opencode/conversation.ts";
import * as raw from "../../../sidecar/opencode/raw.ts";
import { opencodeBinary } from "../../support/opencode-daemon.ts";
import type { Facts } from "./compare.ts";
import { absent, factsOf, isJson, requiredOf } from "./schema-facts.ts";
import { samplePaths, zodPaths } from "./zod-paths.ts";

const sources = new URL("../../../sidecar/opencode/", import.meta.url);
const readyMsMax = 60_000;

interface Route {
  /** What is sent in the body. */
  body?: object;
  /** What is read of the answer. */
  answer?: z.ZodType;
}

const rule = { permission: "bash", pattern: "*", action: "ask" };
const model = { providerID: "p", modelID: "m" };
const text = { type: "text", text: "t", synthetic: true, metadata: {} };
const file = { type: "file", mime: "image/png", url: "data:" };

const routes: Readonly<Record<string, Route>> = {
  "post /session": { body: { title: "t" }, answer: conversation.Session },
  "get /session/{sessionID}": { answer: conversation.Session },
  "patch /session/{sessionID}": { body: { permission: [rule] } },
  "post /session/{sessionID}/fork": { answer: conversation.Session },
  "post /session/{sessionID}/prompt_async": {
    body: { agent: "a", model, variant: "high", parts: [text, file] },
  },
  "post /session/{sessionID}/abort": {},
  "get /session/{sessionID}/message": { answer: z.array(conversation.Stored) },
  "get /session/status": {},
  "post /experimental/control-plane/move-session": { body: { sessionID: "s", destination: { directory: "/" } } },
  "get /permission": { answer: conversation.Waiting },
  "post /permission/{requestID}/reply": { body: { reply: "once", message: "m" } },
  "get /question": { answer: conversation.Waiting },
  "post /question/{requestID}/reply": { body: { answers: [["a"]] } },
  "post /question/{requestID}/reject": {},
  "get /mcp": { answer: conversation.Servers },
  "get /agent": { answer: z.array(z.object({ name: z.string() })) },
  "get /config/providers": { answer: conversation.Services },
  "get /event": {},
  "post /global/dispose": {},
};

export async function opencodeFacts(dir: string): Promise<Facts> {
  const folders = Object.fromEntries(
    ["CONFIG", "DATA", "STATE", "CACHE"].map((kind) => [`XDG_${kind}_HOME`, `${dir}/${kind.toLowerCase()}`]),
  );
  const password = "for-this-check-only";
  const server = execa(opencodeBinary(), ["serve", "--hostname", "127.0.0.1", "--port", "0"], {
    cwd: dir,
    stdin: "ignore",
    all: true,
    reject: false,
    forceKillAfterDelay: 3000,
    env: {
      ...folders,
      HOME: dir,
      TMPDIR: dir,
      OPENCODE_DISABLE_AUTOUPDATE: "1",
      OPENCODE_DISABLE_MODELS_FETCH: "1",
      OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
      OPENCODE_DISABLE_DEFAULT_PLUGINS: "1",
      OPENCODE_SERVER_PASSWORD: password,
    },
  });
  try {
    const url = await readyUrl(server.all);
    const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString("base64")}`;
    const answer = await fetch(`${url}/doc`, { headers: { authorization }, signal: AbortSignal.timeout(readyMsMax) });
    return factsOfDocument(await answer.json());
  } finally {
    server.kill("SIGTERM");
    await server;
  }
}

async function readyUrl(output: AsyncIterable<unknown>): Promise<string> {
  let said = "";
  for await (const chunk of output) {
    said += String(chunk);
    const [, url] = /listening on (http:\/\/\S+)/.exec(said) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error(`OpenCode ended before it listened: ${said}`);
}

export function factsOfDocument(root: unknown): Facts {
  if (!isJson(root) || !isJson(root["paths"])) throw new Error("OpenCode's document has no paths");
  const facts: Record<string, string> = {};
  const add = (name: string, at: unknown, paths: readonly string[]) => {
    for (const [path, fact] of Object.entries(factsOf(root, at, paths))) facts[`${name}${path}`] = fact;
  };
  for (const [route, { body, answer }] of Object.entries(routes)) {
    const [method = "", path = ""] = route.split(" ");
    const operation = at(root, "paths", path, method);
    facts[route] = isJson(operation) ? "there" : absent;
    const taken = schemaOf(at(operation, "requestBody"));
    if (body) {
      facts[`${route} needs`] = requiredOf(root, taken);
      add(`${route} takes`, taken, samplePaths(body));
    }
    const given = schemaOf(at(operation, "responses", "200"));
    if (answer) add(`${route} gives`, given, zodPaths(answer));
  }
  const events = schemaOf(at(root, "paths", "/event", "get", "responses", "200"), "text/event-stream");
  for (const option of raw.Known.options) add("event", events, zodPaths(option));
  return facts;
}

function schemaOf(holder: unknown, kind = "application/json"): unknown {
  return at(holder, "content", kind, "schema");
}

function at(value: unknown, ...keys: string[]): unknown {
  return keys.reduce<unknown>((inner, key) => (isJson(inner) ? inner[key] : undefined), value);
}

/** Routes that the harness's source names and the table above does not know. */
export function unknownRoutes(): string[] {
  const text = readdirSync(sources)
    .map((name) => readFileSync(new URL(name, sources), "utf8"))
    .join("\n");
  const literal = [...text.matchAll(/(?:call|stream)\((?:"(\w+)", )?"(\/[^"]*)"/g)];
  const known = new Set(Object.keys(routes));
  return literal
    .map(([, method = "GET", path = ""]) => `${method.toLowerCase()} ${path}`)
    .filter((route) => !known.has(route));
}
