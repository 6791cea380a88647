/** What to do, added to failures whose remedy only the daemon knows: the configuration is the daemon's. Pure. */
import type { Bootstrap } from "../src/protocol/bootstrap.ts";
import type { HarnessOutput } from "./harness.ts";

export function advised(outputs: readonly HarnessOutput[], advice: Bootstrap["advice"]): readonly HarnessOutput[] {
  if (advice === undefined || outputs.every(({ event }) => adviceFor(event, advice) === undefined)) return outputs;
  return outputs.map((output) => ({ ...output, event: withAdvice(output.event, advice) }));
}

type Advice = NonNullable<Bootstrap["advice"]>;

function withAdvice(event: HarnessOutput["event"], advice: Advice): HarnessOutput["event"] {
  const said = adviceFor(event, advice);
  if (said === undefined) return event;
  if (event.type === "error") return { type: "error", data: { ...event.data, advice: said } };
  return event.type === "result" ? { type: "result", data: { ...event.data, advice: said } } : event;
}

function adviceFor(event: HarnessOutput["event"], advice: Advice): string | undefined {
  if (event.type !== "error" && event.type !== "result") return undefined;
  if (event.data.error_category === "auth_error") return advice.auth_error;
  return event.type === "error" && event.data.code === "agent_not_found" ? advice.agent_not_found : undefined;
}
