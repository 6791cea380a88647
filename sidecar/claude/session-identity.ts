/** Who the agent says it is: the conversation's id, the model, and the facts of its `init`, told when they change. Pure. */
import type { SessionEvent } from "../../src/protocol/event.ts";
import { serverFailed } from "../facts.ts";
import type { Init } from "./raw.ts";
import { initData } from "./session-facts.ts";

export class SessionIdentity {
  #sessionId: string;
  #lastInit = "";
  model: string | undefined;

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
  }

  get sessionId(): string {
    return this.#sessionId;
  }

  /** It has begun at least once. */
  get hasBegun(): boolean {
    return this.#lastInit !== "";
  }

  init(init: Init): SessionEvent[] {
    this.#sessionId = init.session_id;
    this.model = init.model ?? this.model;
    const data = initData(init);
    const fingerprint = JSON.stringify(data);
    if (fingerprint === this.#lastInit) return [];
    this.#lastInit = fingerprint;
    const failed = init.mcp_servers.filter(({ status }) => status === "failed");
    return [
      { type: "system", data },
      ...failed.map(({ name }) => serverFailed(name, "the agent could not connect to it")),
    ];
  }
}
