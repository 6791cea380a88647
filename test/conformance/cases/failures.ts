/** What the model service does wrong, as a category; the session goes on after each. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import * as z from "zod";
import { type ErrorCategory, isRetryable } from "../../../src/protocol/event.ts";
import { results } from "../../support/claude-daemon.ts";
import type { Bench } from "../bench.ts";
import type { Case } from "../case.ts";
import type { LiveSession, Turn } from "../live-session.ts";

/** A failure that stays: what the turn ends with, by the service's answer. */
const lasting: readonly [what: string, word: string, category: ErrorCategory][] = [
  ["401", "[[err401]]", "auth_error"],
  ["403", "[[err403]]", "permission_denied"],
  ["404: no such model", "[[err404]]", "model_not_found"],
  ["429 without recovery", "[[err429:99]]", "rate_limit"],
  ["500", "[[err500:99]]", "upstream_api_error"],
  ["503", "[[err503:99]]", "upstream_api_error"],
  ["529", "[[err529:99]]", "upstream_api_error"],
  ["quota used up", "[[quota]]", "quota"],
];

/** What the turn ended with. The table says so where it is less than the service said. */
function endedWith(turn: Turn, category: ErrorCategory): void {
  expect(turn.result).toMatchObject({ status: "error", error_category: category });
  expect(turn.of("error").at(-1)).toMatchObject({ error_category: category, retryable: isRetryable[category] });
}

const Refused = z.object({ error: z.object({ data: z.unknown() }) });

/** The evidence: what the agent says of a failed prompt, beside its prose, has neither a status nor a word for it. */
function expectNoMoreSaid(bench: Bench, session: LiveSession): void {
  const raw = readFileSync(join(bench.daemon.dataDir, "sessions", session.id, "raw.ndjson"), "utf8");
  const refused = raw.split("\n").filter((line) => line.includes('"error":'));
  const facts = JSON.stringify(Refused.parse(JSON.parse(refused.at(-1) ?? "{}")).error.data);
  expect(facts).toContain("APIError");
  expect(facts).not.toMatch(/\b4\d\d\b|auth|permission|not_found|billing|too long/i);
}

/** The agent tries on and says nothing, so the limit that was asked for is what ends the turn. */
async function endsByLimit(bench: Bench, word: string): Promise<string> {
  const session = await bench.shared("hurried");
  const turn = await session.turn(word);
  expect(turn.result).toMatchObject({ status: "limit" });
  expect(turn.progress("retry")).toEqual([]);
  expect(turn.of("error")).toEqual([]);
  await session.goesOn();
  return "not told: it tries on without a word; `turn_timeout` ends the turn";
}

const lastingCases = lasting.map(
  ([what, word, category]): Case => ({
    name: `${what}: ${category}`,
    run: async (bench) => {
      const { silentRetries = [], categories = {} } = bench.agent.differs;
      if (silentRetries.includes(what)) return endsByLimit(bench, word);
      const found = categories[what] ?? category;
      const session = await bench.shared(found === category ? "autonomous" : "recorded");
      const turn = await session.turn(word);
      endedWith(turn, found);
      if (found !== category) expectNoMoreSaid(bench, session);
      await session.goesOn();
      return found === category ? "yes" : `\`${found}\`: the agent keeps the answer to itself`;
    },
  }),
);

export const failureCases: readonly Case[] = [
  ...lastingCases,
  {
    name: "429 with recovery: shows as a retry, and the turn succeeds",
    run: async (bench) => {
      const session = await bench.shared();
      const turn = await session.turn("[[err429:1]]");
      expect(turn.result).toMatchObject({ status: "success", text: "Recovered." });
      const retries = turn.progress("retry");
      const isSilent = bench.agent.differs.silentRetries?.includes("429 without recovery");
      expect(retries.length).toBe(isSilent ? 0 : 1);
      if (isSilent) return "yes, without a word of it";
      expect(retries).toMatchObject([{ attempt: 1, error_category: "rate_limit" }]);
      return "yes";
    },
  },
  {
    name: "connection refused: network",
    run: async (bench) => {
      const { silentRetries = [] } = bench.agent.differs;
      if (silentRetries.includes("connection refused")) {
        const limited = await bench.create({ prompt: "anybody?", turn_timeout: "6s" }, "unserved");
        expect(results(await limited.log())).toEqual([{ turn: "t1", status: "limit" }]);
        return "not told: it tries on without a word; `turn_timeout` ends the turn";
      }
      const session = await bench.create({ interactive: true }, "unserved");
      endedWith(await session.turn("is anybody there?"), "network");
      await session.end();
      return "yes";
    },
  },
  {
    name: "connection dropped in mid-stream: tried again, what was cut is closed",
    run: async (bench) => {
      const session = await bench.shared();
      const turn = await session.turn("[[drop]]");
      expect(turn.result).toMatchObject({ status: "success" });
      const whole = "The quick brown fox, whole this time.";
      const { keepsCutText } = bench.agent.differs;
      if (keepsCutText) expect(turn.said.at(-1)).toBe(`The quick brown fo${whole}`);
      else expect(turn.said.at(-1)).toBe(whole);
      const messages = turn.of("agent_message");
      const opened = new Set(messages.filter((data) => data["delta"] === true).map((data) => data["item_id"]));
      const closed = new Set(messages.filter((data) => data["delta"] === false).map((data) => data["item_id"]));
      expect([...opened].filter((item) => !closed.has(item))).toEqual([]);
      return keepsCutText ? "yes, but what was cut stays in front: it does not say that it begins anew" : "yes";
    },
  },
  {
    name: "context window exceeded: context_exceeded",
    run: async (bench) => {
      const session = await bench.shared();
      const turn = await session.turn("[[contextfull]]");
      if (bench.agent.differs.compacts) {
        expect(turn.result).toMatchObject({ status: "success" });
        await session.goesOn();
        return "the agent makes its conversation shorter and goes on";
      }
      endedWith(turn, "context_exceeded");
      await session.goesOn();
      return "yes";
    },
  },
  {
    name: "a one-shot session that fails ends with code 1 and the category",
    run: async (bench) => {
      const category = bench.agent.differs.categories?.["401"] ?? "auth_error";
      const session = await bench.create({ prompt: "[[err401]]" });
      const events = await session.log();
      expect(results(events)).toEqual([{ turn: "t1", status: "error" }]);
      expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 1, error_category: category } });
      expect((await session.view()).status).toBe("failed");
      await session.allGone();
      return "yes";
    },
  },
];
