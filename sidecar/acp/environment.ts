/** What known programs need beside the operator's settings, as environment variables that the operator may overrule. Pure. */
import { basename } from "node:path";
import type { Bootstrap } from "../../src/protocol/bootstrap.ts";

/** `secret` is one of this session's own. */
export function environmentOf({ agent, config }: Bootstrap, secret: string): Record<string, string> {
  const program = basename(agent.command[0] ?? "");
  const isOpenCode = program === "opencode";
  return {
    // OpenCode (1.18.33) listens on a loopback port too, where anybody on the machine could speak to it.
    ...(isOpenCode ? { OPENCODE_SERVER_PASSWORD: secret } : {}),
    // It asks nobody by itself, and `interactive` would be a word without a meaning.
    ...(isOpenCode && config.permission_mode === "interactive"
      ? {
          OPENCODE_PERMISSION: JSON.stringify({ edit: "ask", bash: "ask", webfetch: "ask", external_directory: "ask" }),
        }
      : {}),
    ...agent.env,
  };
}
