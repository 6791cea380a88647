/** What turns came to: outcomes, tokens, money, tools, questions. */
import { Counter, type Registry } from "prom-client";
import type { EventOf, SessionEvent } from "../protocol/event.ts";

export interface TurnFigures {
  told(agent: string, event: SessionEvent): void;
}

export function addTurnFigures(registry: Registry): TurnFigures {
  const registers = [registry];
  const turns = new Counter({
    name: "agentruntime_turns_total",
    help: "Turns that ended, by how.",
    labelNames: ["agent", "status"],
    registers,
  });
  const tokens = new Counter({
    name: "agentruntime_tokens_total",
    help: "Tokens of turns that ended: input, output, cache_read, cache_creation.",
    labelNames: ["agent", "kind"],
    registers,
  });
  const cost = new Counter({
    name: "agentruntime_cost_usd_total",
    help: "What turns have cost, as far as it is known.",
    labelNames: ["agent"],
    registers,
  });
  const tools = new Counter({
    name: "agentruntime_tool_calls_total",
    help: "Tools that agents called, by what they do.",
    labelNames: ["agent", "kind"],
    registers,
  });
  const inputs = new Counter({
    name: "agentruntime_inputs_total",
    help: "Questions to people that were closed, by how.",
    labelNames: ["agent", "decision"],
    registers,
  });
  const errors = new Counter({
    name: "agentruntime_exits_total",
    help: "Ends of agents, by the category of what went wrong; `none` when nothing did.",
    labelNames: ["agent", "error_category"],
    registers,
  });
  const onResult = (agent: string, { status, usage, cost_usd }: EventOf<"result">["data"]) => {
    turns.inc({ agent, status });
    // An agent's figures come from outside: a counter takes no negative one.
    const add = (kind: string, count: number) => count > 0 && tokens.inc({ agent, kind }, count);
    add("input", usage.input_tokens);
    add("output", usage.output_tokens);
    add("cache_read", usage.cache_read_input_tokens);
    add("cache_creation", usage.cache_creation_input_tokens);
    if (cost_usd !== null && cost_usd > 0) cost.inc({ agent }, cost_usd);
  };
  return {
    told: (agent, event) => {
      switch (event.type) {
        case "result":
          return onResult(agent, event.data);
        case "tool_use":
          return tools.inc({ agent, kind: event.data.kind });
        case "input_resolved":
          return inputs.inc({ agent, decision: event.data.decision });
        case "exit":
          return errors.inc({ agent, error_category: event.data.error_category ?? "none" });
        default:
          return undefined;
      }
    },
  };
}
