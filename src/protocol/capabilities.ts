/** What each harness can do: the one table by which requests are refused and which `GET /agents` shows. Pure data. */
import * as z from "zod";
import type { HarnessName } from "./bootstrap.ts";

/** `native`: the agent has it. `emulated`: made of something else. `none`: asking for it is refused. */
export const Capability = z.enum(["native", "emulated", "none"]);
export type Capability = z.infer<typeof Capability>;

export const CapabilityName = z.enum([
  "model",
  "effort",
  "max_turns",
  "allowed_tools",
  "instructions",
  "agent_name",
  "output_schema",
  "images",
  "mcp_http",
  "mcp_stdio",
  "fork",
  "resume",
  "steer",
  "interrupt",
  "context",
  "mention",
  "set_model",
  "set_permission_mode",
  "interactive",
  "approve_session",
  "max_budget_usd",
  "native_settings",
]);
export type CapabilityName = z.infer<typeof CapabilityName>;

export type Capabilities = Readonly<Record<CapabilityName, Capability>>;

const agent = {
  model: "native",
  effort: "native",
  max_turns: "emulated",
  allowed_tools: "none",
  instructions: "native",
  agent_name: "none",
  output_schema: "none",
  images: "native",
  mcp_http: "native",
  mcp_stdio: "native",
  fork: "native",
  resume: "native",
  steer: "native",
  interrupt: "native",
  context: "emulated",
  mention: "emulated",
  set_model: "native",
  set_permission_mode: "native",
  interactive: "native",
  // Their own "always" is wider than the call that was approved, so most are never told it.
  approve_session: "emulated",
  max_budget_usd: "emulated",
  native_settings: "native",
} as const satisfies Capabilities;

export const capabilities: Readonly<Record<HarnessName, Capabilities>> = {
  claude: {
    ...agent,
    max_turns: "native",
    allowed_tools: "native",
    agent_name: "native",
    output_schema: "native",
    max_budget_usd: "native",
  },
  codex: { ...agent, output_schema: "native", approve_session: "native" },
  opencode: { ...agent, agent_name: "native", output_schema: "native", context: "native" },
  acp: {
    ...agent,
    max_turns: "none",
    instructions: "emulated",
    steer: "emulated",
    set_permission_mode: "emulated",
    native_settings: "none",
  },
  generic: {
    model: "none",
    effort: "none",
    max_turns: "none",
    allowed_tools: "none",
    instructions: "none",
    agent_name: "none",
    output_schema: "none",
    images: "none",
    mcp_http: "none",
    mcp_stdio: "none",
    fork: "none",
    resume: "none",
    steer: "emulated",
    interrupt: "emulated",
    context: "none",
    mention: "none",
    set_model: "none",
    set_permission_mode: "none",
    interactive: "none",
    approve_session: "none",
    max_budget_usd: "none",
    native_settings: "none",
  },
};
