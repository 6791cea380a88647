/** A plan that Claude Code wants confirmed before it begins (`ExitPlanMode`). Pure. */
import type { InputRequired } from "../../src/protocol/event.ts";

export function planInput(
  input: Readonly<Record<string, unknown>>,
): Pick<InputRequired, "kind" | "message" | "options"> {
  const { plan } = input;
  return {
    kind: "plan",
    // 2.1.329 may keep the plan in a file and call the tool without it.
    message: typeof plan === "string" && plan.trim() !== "" ? plan : "The agent has a plan and asks to begin.",
    options: [
      { id: "approve_once", label: "Begin" },
      { id: "deny", label: "Keep planning" },
    ],
  };
}
