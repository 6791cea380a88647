/** Codex: the schema that the program makes of its own protocol, with what the harness sends and reads. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { Changes, CollabCall, Command, DynamicCall, McpCall } from "../../../sidecar/codex/item-tool.ts";
import * as raw from "../../../sidecar/codex/raw.ts";
import * as requests from "../../../sidecar/codex/requests.ts";
import { codexBinary } from "../../support/codex-daemon.ts";
import type { Facts } from "./compare.ts";
import { absent, factsOf, isJson, requiredOf } from "./schema-facts.ts";
import { samplePaths, zodPaths } from "./zod-paths.ts";

const sources = new URL("../../../sidecar/codex/", import.meta.url);

const read = {
  "turn/started": raw.TurnLine,
  "turn/completed": raw.TurnLine,
  "item/started": raw.ItemLine,
  "item/completed": raw.ItemLine,
  "thread/tokenUsage/updated": raw.UsageLine,
  error: raw.ErrorLine,
  "serverRequest/resolved": raw.Resolved,
  "thread/settings/updated": raw.Settings,
  "model/rerouted": raw.Rerouted,
  "turn/plan/updated": raw.Plan,
  "mcpServer/startupStatus/updated": raw.ServerStatus,
};
const items = {
  commandExecution: Command,
  fileChange: Changes,
  mcpToolCall: McpCall,
  dynamicToolCall: DynamicCall,
  collabAgentToolCall: CollabCall,
};
const answers = {
  InitializeResponse: raw.InitializeReply,
  ThreadStartResponse: raw.ThreadReply,
  ThreadResumeResponse: raw.ThreadReply,
  ThreadForkResponse: raw.ThreadReply,
  TurnStartResponse: raw.TurnReply,
};

export async function codexFacts(dir: string): Promise<Facts> {
  await execa(codexBinary(), ["app-server", "generate-json-schema", "--experimental", "--out", dir], {
    env: { HOME: dir, CODEX_HOME: dir },
    stdin: "ignore",
  });
  const file = readFileSync(join(dir, "codex_app_server_protocol.schemas.json"), "utf8");
  return { ...factsOfSchema(JSON.parse(file)), ...rawItemFacts(dir) };
}

/** Not among its notifications: only a thread that is begun with `experimentalRawEvents` sends it. */
function rawItemFacts(dir: string): Facts {
  const file = readFileSync(join(dir, "v2", "RawResponseItemCompletedNotification.json"), "utf8");
  const root: unknown = JSON.parse(file);
  if (!isJson(root)) throw new Error("Codex's raw item has no schema");
  const facts = factsOf(root, root, zodPaths(raw.RawItemLine));
  return Object.fromEntries(Object.entries(facts).map(([path, fact]) => [`raw item${path}`, fact]));
}

export function factsOfSchema(schema: unknown): Facts {
  if (!isJson(schema) || !isJson(schema["definitions"])) throw new Error("Codex's schema has no definitions");
  const root = schema;
  const { v2, ...v1 } = schema["definitions"];
  const definitions = { ...v1, ...(isJson(v2) ? v2 : {}) };
  const methods = methodsOf(definitions);
  const facts: Record<string, string> = {};
  const add = (name: string, at: unknown, paths: readonly string[]) => {
    for (const [path, fact] of Object.entries(factsOf(root, at, paths))) facts[`${name}${path}`] = fact;
  };
  for (const method of mentioned(new Set(methods.keys()))) facts[method] = methods.get(method)?.kind ?? absent;
  for (const [method, reader] of Object.entries(read)) add(method, methods.get(method)?.params, zodPaths(reader));
  for (const [type, reader] of Object.entries(items))
    add(
      `item ${type}`,
      definitions["ThreadItem"],
      zodPaths(reader).map((path) => `<type=${type}>${path}`),
    );
  for (const [name, reader] of Object.entries(answers)) add(name, definitions[name], zodPaths(reader));
  for (const { method, params } of sent()) {
    facts[`${method} needs`] = requiredOf(root, methods.get(method)?.params);
    add(method, methods.get(method)?.params, samplePaths(params));
  }
  return facts;
}

interface Method {
  kind: string;
  params: unknown;
}

function methodsOf(definitions: Readonly<Record<string, unknown>>): Map<string, Method> {
  const found = new Map<string, Method>();
  for (const kind of ["ServerNotification", "ServerRequest", "ClientRequest", "ClientNotification"]) {
    const union = definitions[kind];
    const variants = isJson(union) && Array.isArray(union["oneOf"]) ? union["oneOf"] : [];
    for (const variant of variants) {
      const members = isJson(variant) && isJson(variant["properties"]) ? variant["properties"] : {};
      const { method, params } = members;
      const [name] = isJson(method) && Array.isArray(method["enum"]) ? method["enum"] : [];
      if (typeof name === "string") found.set(name, { kind, params });
    }
  }
  return found;
}

/** The methods that the harness names: what looks like one, and those without a slash that the program has. */
function mentioned(known: ReadonlySet<string>): string[] {
  const text = readdirSync(sources)
    .map((file) => readFileSync(new URL(file, sources), "utf8"))
    .join("\n")
    .replace(/^import .*$/gm, "")
    .replace(/\/\*[\s\S]*?\*\//g, "");
  const words = [...text.matchAll(/"([a-zA-Z]+(?:\/[a-zA-Z]+)*)"/g)].map(([, word = ""]) => word);
  const isMethod = (word: string) =>
    known.has(word) || /^(thread|turn|item|account|mcpServer|model|serverRequest|rawResponse\w*)\//.test(word);
  return [...new Set(words.filter(isMethod))].sort();
}

/** Every message that we send, with all that may be in it. */
function sent(): { method: string; params: unknown }[] {
  const config = { model: "m", permission_mode: "interactive" } as const;
  const wish = { workDir: "/", instructions: "i" };
  const resumed = { ...config, resume_session: "s" };
  const turn = { threadId: "t", messageId: "m" };
  const image = { media_type: "image/png", data: "" } as const;
  const input = requests.textInput(["c"], "t", [image]);
  const settings = { model: "m", effort: "high", approvalPolicy: "never", outputSchema: { type: "object" } };
  const lines = [
    requests.initializeLine(1),
    requests.threadLine(1, { ...wish, config }),
    requests.threadLine(1, { ...wish, config: resumed }),
    requests.threadLine(1, { ...wish, config: { ...resumed, fork_session: true } }),
    requests.instructionsLine(1, "t", "i"),
    requests.turnLine(1, { ...turn, input, settings }),
    requests.steerLine(1, { ...turn, expectedTurnId: "t", input }),
    requests.request(1, "turn/interrupt", { threadId: "t", turnId: "t" }),
    requests.request(1, "turn/settings/update", { threadId: "t", turnId: "t", model: "m" }),
    requests.request(1, "thread/backgroundTerminals/clean", { threadId: "t" }),
  ];
  return lines.map((line) => {
    const message: unknown = JSON.parse(line);
    if (!isJson(message)) throw new Error("a message of ours is no object");
    return { method: String(message["method"]), params: withoutFree(message["params"]) };
  });
}

/** Members whose content is free: a setting's and a schema's. */
function withoutFree(params: unknown): unknown {
  if (!isJson(params)) return params;
  const free = ["config", "outputSchema"];
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, free.includes(name) ? "free" : value]),
  );
}
