/** The tool servers of a request, checked and made complete. Pure. */
import * as z from "zod";
import type { McpServerSpec } from "../protocol/agent-options.ts";
import { AgentdError } from "../protocol/error.ts";
import { firstIssue } from "../protocol/first-issue.ts";
import type { SessionRequest } from "../protocol/http.ts";
import { checkRequestEnv } from "./request-env.ts";

type Asked = NonNullable<SessionRequest["mcp_servers"]>[number];

const serversMax = 32;
const wordsMax = 256;

/** Claude Code's `.mcp.json`. Its other kinds of server and of header are refused by the schema. */
const McpJson = z.strictObject({
  mcpServers: z.record(
    z.string(),
    z.union(
      [
        z.strictObject({
          type: z.literal("http").optional(),
          url: z.string(),
          headers: z
            .strictObject({
              Authorization: z
                .string()
                .regex(/^Bearer \S+$/, "expected Bearer TOKEN")
                .optional(),
            })
            .optional(),
        }),
        z.strictObject({
          type: z.literal("stdio").optional(),
          command: z.string(),
          args: z.array(z.string()).optional(),
          env: z.record(z.string(), z.string()).optional(),
        }),
      ],
      {
        error:
          'expected {url, headers?: {"Authorization": "Bearer TOKEN"}} or {command, args?, env?}, and no other field',
      },
    ),
  ),
});

/** Throws `invalid_request`, or `env_key_reserved` for a variable that requests may not set. */
export function mcpServersOf(request: SessionRequest): McpServerSpec[] {
  const asked = [...(request.mcp_servers ?? []), ...fromMcpJson(request.claude?.mcp_json)];
  if (asked.length > serversMax)
    throw refused("mcp_servers", `there are ${asked.length}, and at most ${serversMax} may be`);
  const names = new Set<string>();
  for (const { name } of asked) {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(name))
      throw refused(JSON.stringify(name.slice(0, 80)), "a name is 1 to 64 letters, digits, dashes and underscores");
    if (names.has(name)) throw refused(`"${name}"`, "another one has this name. Give each a name of its own");
    names.add(name);
  }
  return asked.map(specOf);
}

function fromMcpJson(json: Readonly<Record<string, unknown>> | undefined): Asked[] {
  if (json === undefined) return [];
  const parsed = McpJson.safeParse(json);
  if (!parsed.success)
    throw new AgentdError("invalid_request", `Cannot use claude.mcp_json: ${firstIssue(parsed.error)}`);
  return Object.entries(parsed.data.mcpServers).map(([name, server]) => {
    if ("command" in server)
      return {
        name,
        type: "stdio",
        cmd: [server.command, ...(server.args ?? [])],
        ...(server.env ? { env: server.env } : {}),
      };
    const token = server.headers?.Authorization?.slice("Bearer ".length);
    return { name, type: "http", url: server.url, ...(token === undefined ? {} : { token }) };
  });
}

function specOf(asked: Asked): McpServerSpec {
  const { name, url, cmd, env, token } = asked;
  const type = asked.type ?? (url !== undefined ? "http" : "stdio");
  const subject = `"${name}"`;
  if (type === "websocket") throw refused(subject, 'no agent speaks to one of type "websocket". Use http or stdio');
  if (type === "http") {
    if (url === undefined) throw refused(subject, "one of type http needs a url");
    if (cmd !== undefined || env !== undefined) throw refused(subject, "one of type http takes no cmd and no env");
    return {
      type,
      name,
      url: completeUrl(subject, url),
      ...(token === undefined ? {} : { token: checkToken(subject, token) }),
    };
  }
  if (url !== undefined || token !== undefined) throw refused(subject, "one of type stdio takes no url and no token");
  const [program] = cmd ?? [];
  if (cmd === undefined || program === undefined || program === "")
    throw refused(subject, "it has neither a url nor a cmd. cmd is a list: the program, then its arguments");
  if (cmd.length > wordsMax || cmd.some((word) => word.includes("\0")))
    throw refused(subject, `cmd holds at most ${wordsMax} words, none with a NUL character`);
  checkRequestEnv(env ?? {});
  if (Object.values(env ?? {}).some((value) => value.includes("\0")))
    throw refused(subject, "a value in env must not contain a NUL character");
  return { type, name, command: cmd, env: env ?? {} };
}

function completeUrl(subject: string, url: string): string {
  // In a container, a door to the one port that is meant; elsewhere the host is this machine.
  const complete = url.replace(/\$\{HOST_GATEWAY\}/g, "127.0.0.1");
  const parsed = URL.canParse(complete) ? new URL(complete) : undefined;
  if (parsed === undefined || !["http:", "https:"].includes(parsed.protocol))
    throw refused(subject, `its url must be an http or https address, found ${JSON.stringify(url.slice(0, 200))}`);
  // Agents put the values of their own variables, keys among them, into what looks like this.
  if (/\$\{|\{env:|\{file:/.test(complete)) throw refused(subject, "its url names a variable. Write the address out");
  return complete;
}

function checkToken(subject: string, token: string): string {
  if (!/^[\x21-\x7e]{1,8192}$/.test(token) || /\$\{|\{env:|\{file:/.test(token))
    throw refused(subject, "its token must be printable ASCII without spaces, and name no variable");
  return token;
}

function refused(subject: string, found: string): AgentdError {
  return new AgentdError("invalid_request", `Cannot use the MCP server ${subject}: ${found}`);
}
