/**
 * From the first line to a session that takes prompts: initialize, authenticate when asked and possible, open the
 * session, set its options. Pure: answers in, the next request out. One request is on its way at a time.
 */
import type { AgentConfig } from "../../src/protocol/bootstrap.ts";
import type { Failure } from "../failure.ts";
import { authMethodFor, loginAdvice } from "./authentication.ts";
import { authRequired, failureOf } from "./failure.ts";
import {
  authenticate,
  initialize,
  methodNotFound,
  newSession,
  oldSession,
  protocolVersion,
  type Request,
  setMode,
  setModel,
  setOption,
} from "./outgoing.ts";
import { type ConfigOption, InitializeAnswer, OpenAnswer, type RpcError } from "./raw.ts";

export interface SessionFacts {
  sessionId: string;
  agent: { name?: string; version?: string };
  options: readonly ConfigOption[];
  model: string | undefined;
  mode: string | undefined;
  /** Modes to choose from, where it offers them in the older way. */
  modes: readonly string[];
  /** Takes another model by this option; undefined where it offers no choice, `models` where it offers the older one. */
  modelBy: string | "models" | undefined;
  takesImages: boolean;
}

export type Move = { next: Request } | { ready: SessionFacts } | { failed: Failure };

export interface HandshakeOptions {
  config: AgentConfig;
  workDir: string;
  env: Readonly<Record<string, string>>;
  /** For `_meta` of the request that opens the session. */
  meta?: object;
}

type Step = "initialize" | "authenticate" | "open" | "option";

/** What a request asks to be set once the session is open. */
interface Wish {
  /** For people, and where a model or a mode has a way of its own. */
  field: string;
  /** Category or id of the option that sets it. */
  option: string;
  value: string;
}

function wishesOf({ model, effort, acp_mode, acp_options = {} }: AgentConfig): Wish[] {
  const known = [
    { option: "model", field: "model", value: model },
    { option: "thought_level", field: "effort", value: effort },
    { option: "mode", field: "mode", value: acp_mode },
  ].flatMap(({ value, ...wish }) => (value === undefined ? [] : [{ ...wish, value }]));
  const others = Object.entries(acp_options).map(([id, value]) => ({ option: id, field: `option "${id}"`, value }));
  return [...known, ...others];
}

export class Handshake {
  readonly #options: HandshakeOptions;
  #step: Step = "initialize";
  #agent: InitializeAnswer | undefined;
  #facts: SessionFacts | undefined;
  #hasAuthenticated = false;
  #canResume = true;
  readonly #wishes: Wish[];

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.#wishes = wishesOf(options.config);
  }

  get step(): Step {
    return this.#step;
  }

  get begin(): Request {
    return initialize();
  }

  answered(result: unknown): Move {
    switch (this.#step) {
      case "initialize":
        return this.#initialized(result);
      case "authenticate":
        return this.#open();
      case "open":
        return this.#opened(result);
      case "option":
        return this.#nextWish(OpenAnswer.safeParse(result).data?.configOptions);
      default:
        return this.#step satisfies never;
    }
  }

  refused(error: RpcError): Move {
    const failure = failureOf(error);
    if (this.#step === "open" && error.code === authRequired) return this.#authenticate();
    // Qwen Code (0.15.10) says that it can resume, and cannot.
    if (this.#step === "open" && error.code === methodNotFound && this.#canResume) {
      this.#canResume = false;
      if (this.#agent?.agentCapabilities?.loadSession) return this.#open();
    }
    if (this.#step === "authenticate") return this.#needsLogin(failure.message);
    if (this.#step === "option") {
      const wish = this.#wishes[0];
      const category = failure.category ?? (wish?.field === "model" ? "model_not_found" : "invalid_request");
      return failed(
        `The agent refuses the ${wish?.field ?? "option"} ${JSON.stringify(wish?.value)}: ${failure.message}`,
        category,
      );
    }
    // All that was asked for is this one conversation, so an error without a reason says that it is not there.
    const isOld = this.#step === "open" && this.#options.config.resume_session !== undefined;
    return { failed: { ...failure, category: failure.category ?? (isOld ? "session_not_found" : "startup_crash") } };
  }

  #initialized(result: unknown): Move {
    const parsed = InitializeAnswer.safeParse(result);
    if (!parsed.success) return failed("The agent's answer to initialize is not that of an ACP agent", "startup_crash");
    this.#agent = parsed.data;
    if (parsed.data.protocolVersion !== protocolVersion) {
      const found = parsed.data.protocolVersion;
      return failed(
        `The agent speaks version ${found} of ACP, and version ${protocolVersion} is needed`,
        "startup_crash",
      );
    }
    return this.#open();
  }

  #open(): Move {
    const move = this.#opening();
    const { meta } = this.#options;
    if (!("next" in move) || meta === undefined) return move;
    return { next: { ...move.next, params: { ...move.next.params, _meta: meta } } };
  }

  #opening(): Move {
    this.#step = "open";
    const { config, workDir: cwd } = this.#options;
    const { resume_session: sessionId } = config;
    const capabilities = this.#agent?.agentCapabilities;
    const servers = config.mcp_servers ?? [];
    const remote = servers.find(({ type }) => type === "http");
    if (remote && !capabilities?.mcpCapabilities?.http)
      return failed(
        `This agent takes no MCP servers over HTTP, and "${remote.name}" is one. Use a stdio server`,
        "invalid_request",
      );
    if (sessionId === undefined) return { next: newSession(cwd, servers) };
    const can = capabilities?.sessionCapabilities;
    if (config.fork_session) {
      if (!can?.fork) return failed("This agent cannot fork a conversation", "invalid_request");
      return { next: oldSession("fork", { sessionId, cwd }, servers) };
    }
    // `load` tells the whole history again, which is in the log already.
    if (can?.resume && this.#canResume) return { next: oldSession("resume", { sessionId, cwd }, servers) };
    if (capabilities?.loadSession) return { next: oldSession("load", { sessionId, cwd }, servers) };
    return failed("This agent cannot go on with an earlier conversation", "invalid_request");
  }

  #authenticate(): Move {
    const method = authMethodFor(this.#agent?.authMethods ?? [], this.#options.env);
    if (method === undefined || this.#hasAuthenticated) return this.#needsLogin(undefined);
    this.#hasAuthenticated = true;
    this.#step = "authenticate";
    return { next: authenticate(method) };
  }

  #needsLogin(said: string | undefined): Move {
    return failed(loginAdvice(this.#agent?.authMethods ?? [], said), "auth_error");
  }

  #opened(result: unknown): Move {
    const answer = OpenAnswer.safeParse(result).data;
    const { resume_session, fork_session } = this.#options.config;
    const sessionId = answer?.sessionId ?? (fork_session ? undefined : resume_session);
    if (!answer || sessionId === undefined) return failed("The agent opened a session without an id", "startup_crash");
    const options = answer.configOptions ?? [];
    const modelOption = optionFor(options, "model");
    const { name, version } = this.#agent?.agentInfo ?? {};
    this.#facts = {
      sessionId,
      agent: { ...(name ? { name } : {}), ...(version ? { version } : {}) },
      options,
      model: currentValue(modelOption) ?? answer.models?.currentModelId ?? undefined,
      mode: currentValue(optionFor(options, "mode")) ?? answer.modes?.currentModeId ?? undefined,
      modes: (answer.modes?.availableModes ?? []).map(({ id }) => id),
      modelBy: modelOption?.id ?? (answer.models ? "models" : undefined),
      takesImages: this.#agent?.agentCapabilities?.promptCapabilities?.image ?? false,
    };
    this.#step = "option";
    return this.#askForWish();
  }

  #nextWish(options: ConfigOption[] | undefined): Move {
    const done = this.#wishes.shift();
    if (this.#facts && options) this.#facts = { ...this.#facts, options };
    if (this.#facts && done?.field === "model") this.#facts = { ...this.#facts, model: done.value };
    if (this.#facts && done?.field === "mode") this.#facts = { ...this.#facts, mode: done.value };
    return this.#askForWish();
  }

  #askForWish(): Move {
    const facts = this.#facts;
    if (!facts) return failed("The agent set an option of no session", "startup_crash");
    const [wish] = this.#wishes;
    if (!wish) return { ready: facts };
    const { sessionId } = facts;
    const option = optionFor(facts.options, wish.option);
    const choices = option ? choicesOf(option) : wish.field === "mode" ? facts.modes : [];
    // Some take what they do not have without a word (Qwen Code 0.15.10).
    if (choices.length > 0 && !choices.includes(wish.value))
      return failed(
        `This agent has no ${wish.field} ${JSON.stringify(wish.value)}; it has ${choices.slice(0, 20).join(", ")}`,
        wish.field === "model" ? "model_not_found" : "invalid_request",
      );
    if (option) return { next: setOption(sessionId, option.id, wish.value) };
    if (wish.field === "model" && facts.modelBy === "models") return { next: setModel(sessionId, wish.value) };
    if (wish.field === "mode" && facts.mode !== undefined) return { next: setMode(sessionId, wish.value) };
    return failed(
      `This agent lets nobody choose its ${wish.field}; leave it out, or set it in agents.NAME.args or agents.NAME.env`,
      "invalid_request",
    );
  }
}

export function optionFor(options: readonly ConfigOption[], category: string): ConfigOption | undefined {
  return options.find((option) => option.category === category) ?? options.find(({ id }) => id === category);
}

export function currentValue(option: ConfigOption | undefined): string | undefined {
  return typeof option?.currentValue === "string" ? option.currentValue : undefined;
}

function choicesOf({ options = [] }: ConfigOption): string[] {
  return options.flatMap(({ value, options: group = [] }) => [{ value }, ...group]).flatMap(({ value }) => value ?? []);
}

function failed(message: string, category: Failure["category"]): Move {
  return { failed: { message, category } };
}
