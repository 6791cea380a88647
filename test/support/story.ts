/** Events of a session's log, as a test tells a story of them. Names (of turns, messages, calls) are the test's. */

export interface Told {
  type: string;
  data: object;
}

const usageOfNothing = {
  input_tokens: 0,
  output_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
};

export function prompted(turn_id: string, text: string): Told {
  return { type: "user_message", data: { turn_id, kind: "prompt", text } };
}

export function said(turn_id: string, item_id: string, text: string): Told {
  return { type: "agent_message", data: { turn_id, item_id, text, delta: false } };
}

/** Some of a message that comes whole later. */
export function saidInPart(turn_id: string, item_id: string, text: string): Told {
  return { type: "agent_message", data: { turn_id, item_id, text, delta: true } };
}

/** A command, unless `more` makes it another tool. */
export function called(turn_id: string, id: string, input: object, more: object = {}): Told {
  return { type: "tool_use", data: { turn_id, id, name: "Bash", kind: "execute", input, ...more } };
}

export function came(turn_id: string, id: string, output: string, more: object = {}): Told {
  return {
    type: "tool_result",
    data: { turn_id, id, name: "Bash", output, is_error: false, duration_ms: 1, ...more },
  };
}

export function failed(message: string): Told {
  return { type: "error", data: { code: "agent_failed", message, retryable: true } };
}

export function ended(turn_id: string, more: object = {}): Told {
  return {
    type: "result",
    data: {
      ...{ turn_id, session_id: "x", status: "success", cost_usd: 1, duration_ms: 1, num_turns: 1 },
      usage: usageOfNothing,
      ...more,
    },
  };
}

/** A request for permission, unless `more` makes it another question. */
export function asked(turn_id: string, request_id: string, message: string, more: object = {}): Told {
  return { type: "input_required", data: { request_id, turn_id, kind: "permission", message, options: [], ...more } };
}

export function answered(request_id: string, decision: string, more: object = {}): Told {
  return { type: "input_resolved", data: { request_id, decision, by: "client", ...more } };
}
