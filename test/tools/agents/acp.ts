/** The Agent Client Protocol: the schema that its SDK ships, with what the harness sends and reads. */
import { readFileSync } from "node:fs";
import * as outgoing from "../../../sidecar/acp/outgoing.ts";
import * as raw from "../../../sidecar/acp/raw.ts";
import type { McpServerSpec } from "../../../src/protocol/agent-options.ts";
import type { Facts } from "./compare.ts";
import { absent, factsOf, isJson, requiredOf } from "./schema-facts.ts";
import { samplePaths, zodPaths } from "./zod-paths.ts";

/** With what is not stable yet: agents offer forks and tokens of a turn already. */
const file = new URL("../../../node_modules/@agentclientprotocol/sdk/schema/v1/schema.unstable.json", import.meta.url);

const read = {
  SessionUpdate: raw.Update,
  RequestPermissionRequest: raw.PermissionAsk,
  PromptResponse: raw.PromptAnswer,
  InitializeResponse: raw.InitializeAnswer,
  NewSessionResponse: raw.OpenAnswer,
  LoadSessionResponse: raw.OpenAnswer,
  ResumeSessionResponse: raw.OpenAnswer,
  Error: raw.RpcError,
};

const words = ["ToolKind", "ToolCallStatus", "StopReason", "PermissionOptionKind"];

export function acpFacts(): Facts {
  return factsOfSchema(JSON.parse(readFileSync(file, "utf8")));
}

export function factsOfSchema(root: unknown): Facts {
  if (!isJson(root) || !isJson(root["$defs"])) throw new Error("ACP's schema has no $defs");
  const definitions = root["$defs"];
  const facts: Record<string, string> = {};
  const add = (name: string, at: unknown, paths: readonly string[]) => {
    for (const [path, fact] of Object.entries(factsOf(root, at, paths))) facts[`${name}${path}`] = fact;
  };
  for (const [name, reader] of Object.entries(read)) add(name, definitions[name], zodPaths(reader));
  for (const word of words) {
    const holder = { properties: { word: definitions[word] }, required: ["word"] };
    facts[word] = factsOf(root, holder, [".word"])[".word"] ?? absent;
  }
  for (const { method, params } of sent()) {
    const [name, definition] = definitionOf(definitions, method);
    facts[method] = name;
    facts[`${method} needs`] = requiredOf(root, definition);
    add(method, definition, samplePaths(params));
  }
  return facts;
}

/** Definitions say which method they are the params of. */
function definitionOf(definitions: Readonly<Record<string, unknown>>, method: string): [string, unknown] {
  const found = Object.entries(definitions).find(
    ([name, each]) => isJson(each) && each["x-method"] === method && /(Request|Notification)$/.test(name),
  );
  return found ?? ["absent", undefined];
}

function sent(): { method: string; params: unknown }[] {
  const servers: McpServerSpec[] = [
    { type: "stdio", name: "s", command: ["c", "a"], env: { A: "b" } },
    { type: "http", name: "h", url: "http://h", token: "t" },
  ];
  const old = { sessionId: "s", cwd: "/" };
  const cancel: unknown = JSON.parse(outgoing.cancelLine("s"));
  return [
    outgoing.initialize(),
    outgoing.authenticate("a"),
    outgoing.newSession("/", servers),
    outgoing.oldSession("load", old, []),
    outgoing.oldSession("resume", old, []),
    outgoing.oldSession("fork", old, []),
    outgoing.setMode("s", "m"),
    outgoing.setOption("s", "c", "v"),
    outgoing.setModel("s", "m"),
    outgoing.prompt("s", ["t"]),
    ...(isJson(cancel) ? [{ method: String(cancel["method"]), params: cancel["params"] }] : []),
  ];
}
