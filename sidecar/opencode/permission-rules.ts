/** What the agent may do without asking, by permission mode. Pure. The last rule that fits counts (1.18.33). */
import type { PermissionMode } from "../../src/protocol/session.ts";

type Action = "allow" | "ask" | "deny";
export type PermissionRules = Record<string, Action | Record<string, Action>>;

/** Looking around in the work dir, and what only concerns the agent itself. Secrets are worth a question. */
const harmless: PermissionRules = {
  read: { "*": "allow", "*.env": "ask", "*.env.*": "ask", "*.env.example": "allow" },
  glob: "allow",
  grep: "allow",
  list: "allow",
  lsp: "allow",
  skill: "allow",
  task: "allow",
  todoread: "allow",
  todowrite: "allow",
};

/** The search is a service of a third party, and nothing but the model is to be asked. */
const always: PermissionRules = { websearch: "deny" };

export function permissionRules(mode: PermissionMode): PermissionRules {
  if (mode === "interactive") return { "*": "ask", ...harmless, question: "allow", ...always };
  // Left to themselves, these two ask, and a question has nobody to answer it.
  return { "*": "allow", external_directory: "allow", doom_loop: "allow", read: "allow", question: "deny", ...always };
}

/** The same as a list, as a session takes it. */
export function ruleList(rules: PermissionRules): { permission: string; pattern: string; action: Action }[] {
  return Object.entries(rules).flatMap(([permission, rule]) =>
    typeof rule === "string"
      ? [{ permission, pattern: "*", action: rule }]
      : Object.entries(rule).map(([pattern, action]) => ({ permission, pattern, action })),
  );
}
