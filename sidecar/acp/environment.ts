/** What known programs need beside the operator's settings, as environment variables that the operator may overrule. Pure. */
import { basename } from "node:path";
import type { Bootstrap } from "../../src/protocol/bootstrap.ts";
import { permissionRules } from "../opencode/permission-rules.ts";

export function isOpenCode({ agent }: Bootstrap): boolean {
  return basename(agent.command[0] ?? "") === "opencode";
}

/** `secret` is one of this session's own. */
export function environmentOf(bootstrap: Bootstrap, secret: string): Record<string, string> {
  const { agent, config } = bootstrap;
  if (!isOpenCode(bootstrap)) return { ...agent.env };
  return {
    // OpenCode (1.18.33) listens on a loopback port too, where anybody on the machine could speak to it.
    OPENCODE_SERVER_PASSWORD: secret,
    // It asks nobody by itself, and `interactive` would be a word without a meaning.
    ...(config.permission_mode === "interactive"
      ? { OPENCODE_PERMISSION: JSON.stringify(permissionRules("interactive")) }
      : {}),
    ...agent.env,
  };
}
