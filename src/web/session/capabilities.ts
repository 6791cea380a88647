/** What an agent can do, as the daemon says; asked once for each view. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { AgentView } from "../../protocol/http.ts";
import { client } from "../page/standing.ts";

/** Undefined while nobody knows: what an agent cannot do is refused by the daemon, in words. */
export function useCapabilities(agent: string | undefined): AgentView["capabilities"] | undefined {
  const found = useSignal<AgentView["capabilities"] | undefined>(undefined);
  useEffect(() => {
    if (agent === undefined) return;
    client()
      .agents()
      .then(
        (agents) => {
          found.value = agents.find(({ name }) => name === agent)?.capabilities;
        },
        () => {
          // The session's own calls say what is wrong.
        },
      );
  }, [agent]);
  return found.value;
}
