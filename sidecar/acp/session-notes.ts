/** What an agent says of its session beside the work: commands, modes, options, notices, and errors it goes on from. Pure. */
import * as z from "zod";
import type { EventOf, SessionEvent } from "../../src/protocol/event.ts";
import { bounded, progress } from "../facts.ts";
import type { Failure } from "../failure.ts";
import { categoryOfHttp, factsOf } from "./failure.ts";
import type { SessionFacts } from "./handshake.ts";
import { ConfigOption, type Update } from "./raw.ts";

export function initEvent(facts: SessionFacts, workDir: string): EventOf<"system"> {
  const { agent, model, mode, sessionId } = facts;
  return {
    type: "system",
    data: {
      subtype: "init",
      session_id: sessionId,
      ...(model === undefined ? {} : { model }),
      cwd: workDir,
      ...(mode === undefined ? {} : { mode }),
      ...(agent.name === undefined ? {} : { agent: agent.name }),
      ...(agent.version === undefined ? {} : { version: agent.version }),
    },
  };
}

type Note = Extract<
  Update,
  {
    sessionUpdate:
      | "available_commands_update"
      | "current_mode_update"
      | "config_option_update"
      | "session_info_update"
      | "notice";
  }
>;

export function noteEvent(update: Note): EventOf<"system"> | undefined {
  switch (update.sessionUpdate) {
    case "available_commands_update": {
      const names = (update.availableCommands ?? []).map(({ name }) => name);
      return { type: "system", data: { subtype: "commands", ...bounded({ names }) } };
    }
    case "current_mode_update":
      return { type: "system", data: { subtype: "mode", mode: update.currentModeId } };
    case "config_option_update": {
      const options = optionsOf(update).map(({ id, currentValue }) => ({ id, value: currentValue ?? null }));
      return { type: "system", data: { subtype: "options", ...bounded({ options }) } };
    }
    case "session_info_update":
      return update.title ? { type: "system", data: { subtype: "session_info", title: update.title } } : undefined;
    case "notice": {
      const { title, description, severity } = update;
      const text = description ? `${title}: ${description}` : title;
      return { type: "system", data: { subtype: "notice", text, ...(severity ? { severity } : {}) } };
    }
    default:
      return update satisfies never;
  }
}

export function optionsOf(update: Extract<Note, { sessionUpdate: "config_option_update" }>): ConfigOption[] {
  return update.configOptions.flatMap((option) => {
    const parsed = ConfigOption.safeParse(option);
    return parsed.success ? [parsed.data] : [];
  });
}

/** The Codex adapter (2.6.0) tells of failed calls here, and then answers the prompt as if all were well. */
const ToldError = z.looseObject({
  message: z.string(),
  additionalDetails: z.string().nullish().catch(undefined),
  willRetry: z.boolean(),
});
const Told = z.looseObject({
  error: ToldError.optional().catch(undefined),
  threadStatus: z.looseObject({ type: z.string() }).optional().catch(undefined),
});

export interface ToldFailure {
  /** A try of its own that follows. */
  retry?: SessionEvent;
  /** Why the call failed that it may still recover from. */
  failure?: Failure;
  /** The turn has failed, whatever its answer says. */
  isFatal: boolean;
}

export function toldFailure(meta: unknown, turnId: string): ToldFailure | undefined {
  if (typeof meta !== "object" || meta === null) return undefined;
  for (const place of Object.values(meta)) {
    const { data } = Told.safeParse(place);
    if (data?.threadStatus?.type === "systemError") return { isFatal: true };
    if (!data?.error) continue;
    const { status, category } = factsOf(data.error);
    const known = category ?? (status === undefined ? undefined : categoryOfHttp(status));
    const failure = {
      message: data.error.additionalDetails ?? data.error.message,
      category: known,
      ...(status === undefined ? {} : { status }),
    };
    if (!data.error.willRetry) return { failure, isFatal: true };
    const facts = { http_status: status ?? null, message: data.error.message };
    return {
      retry: progress(turnId, "retry", { ...facts, ...(known ? { error_category: known } : {}) }),
      failure,
      isFatal: false,
    };
  }
  return undefined;
}
