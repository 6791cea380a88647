/** What the suite has to know of an agent: how it is configured, how its model is told what to do, and where it differs. */
import type { HarnessName } from "../../src/protocol/bootstrap.ts";
import type { ErrorCategory } from "../../src/protocol/event.ts";

/** A model service on this machine, whichever protocol it speaks. */
export interface ModelUnderTest {
  url: string;
  requests: readonly { text: string; body: { model: string } }[];
  close(): Promise<void>;
}

/** An entry below `agents` of the configuration. */
export interface AgentEntry {
  harness: HarnessName;
  command: string | undefined;
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
  key_env?: string;
  base_url?: string;
}

/** Why a row of the table is another one here: what happens instead, which the case then looks for. */
export interface Differences {
  /** The category that the agent's own words allow, where it keeps the better one to itself. */
  categories?: Readonly<Record<string, ErrorCategory>>;
  /** It tries on for ever and says nothing of it: `turn_timeout` ends the turn. */
  silentRetries?: readonly string[];
  /** It makes the conversation shorter by itself and goes on. */
  compacts?: boolean;
  /** It is not to be had by its pipes alone, so their end is nothing to it. */
  outlivesItsInput?: boolean;
  /** It does not say that an MCP server is not there. */
  silentServers?: boolean;
  /** A text that is begun anew goes on in the same message, behind what was cut. */
  keepsCutText?: boolean;
  /** It must be told at its start that a person decides. */
  asksFromStartOnly?: boolean;
  /** A refusal has no words in its protocol. */
  cannotSayWhy?: boolean;
}

export interface AgentUnderTest {
  /** Its name in the configuration and its column in the table. */
  name: string;
  startModel(): Promise<ModelUnderTest>;
  /** Its entry, with retries few enough that a failure is believed soon. */
  entry(modelUrl: string): AgentEntry;
  /** What each of its sessions is asked for. */
  request: Readonly<Record<string, unknown>>;
  words: {
    /** Makes it run a command. */
    shell(command: string): string;
    /** Makes it create a file, by a tool that asks for permission when a person decides. */
    makeFile(path: string): string;
    /** Makes it call the tool `weather` of the server `lab`. */
    weather: string;
    /** Makes it ask which colour, Red or Blue; undefined when it has no way of asking. */
    question: string | undefined;
    /** Makes it answer with `{"answer":4}` when that form was asked for. */
    structured: string;
  };
  /** How the tool that asks is called, as the model is offered it. */
  questionTool: string;
  otherModel: string;
  /** An id of its kind that no conversation has. */
  unknownConversation: string;
  /** A command line that is the agent itself rather than what it started. */
  isAgent(commandLine: string): boolean;
  /** The program that stands between sidecar and agent, and what it adds when it is told to. */
  injector: { file: string; unknown: readonly string[] };
  /** Where a custom agent of a checkout is written. */
  customAgent: string | undefined;
  differs: Differences;
}
