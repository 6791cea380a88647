/** A prompt and what follows: text, tools, several turns, the queue. */
import { expect } from "vitest";
import { ofType, results, said } from "../../support/claude-daemon.ts";
import type { Case } from "../case.ts";
import { isWriting } from "../live-session.ts";

export const turnCases: readonly Case[] = [
  {
    name: "starts, answers one prompt and ends; nothing of it is left",
    run: async (bench) => {
      // Words are not facts: an agent that only talks of errors has none.
      const answer = "authentication failed, rate limit exceeded, 401";
      const session = await bench.create({ prompt: `[[say:${answer}]]` });
      const events = await session.log();
      expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
      expect(said(events)).toEqual([answer]);
      expect(ofType(events, "error")).toEqual([]);
      expect(ofType(events, "result")).toMatchObject([
        { text: answer, usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) } },
      ]);
      expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
      expect(events.at(-1)?.data).not.toHaveProperty("error_category");
      expect(events.filter(({ type }) => type === "exit")).toHaveLength(1);
      await session.allGone();
      expect(await session.view()).toMatchObject({
        status: "completed",
        end_reason: "finished",
        exit_code: 0,
        agent_session_id: expect.any(String),
      });
    },
  },
  {
    name: "streams text as deltas, then the whole",
    run: async (bench) => {
      const session = await bench.shared();
      const turn = await session.turn("[[slow:1]]");
      const messages = turn.of("agent_message");
      const deltas = messages.filter((data) => data["delta"] === true);
      expect(deltas.length).toBeGreaterThan(3);
      const whole = messages.filter((data) => data["delta"] === false);
      expect(whole).toHaveLength(1);
      expect(deltas.map((data) => data["text"]).join("")).toBe(whole[0]?.["text"]);
      expect(new Set(messages.map((data) => data["item_id"])).size).toBe(1);
      expect(messages.at(-1)).toBe(whole[0]);
    },
  },
  {
    name: "tells of a tool call and its result, each once",
    run: async (bench) => {
      const session = await bench.shared();
      const text = bench.word("hello");
      const turn = await session.turn(bench.agent.words.shell(`echo ${text}`));
      const [use] = turn.of("tool_use");
      expect(turn.of("tool_use")).toHaveLength(1);
      expect(use).toMatchObject({ kind: "execute", input: expect.anything() });
      expect(JSON.stringify(use?.["input"])).toContain(text);
      expect(turn.of("tool_result")).toMatchObject([
        { id: use?.["id"], name: use?.["name"], is_error: false, output: expect.stringContaining(text) },
      ]);
      expect(turn.result).toMatchObject({ status: "success" });
      const order = turn.events.map(({ type }) => type);
      expect(order.indexOf("tool_use")).toBeLessThan(order.indexOf("tool_result"));
    },
  },
  {
    name: "takes three turns in one conversation, each with figures of its own",
    run: async (bench) => {
      const session = await bench.shared();
      const words = ["first", "second", "third"].map((stem) => bench.word(stem));
      const turns = [];
      for (const word of words) turns.push(await session.turn(`say ${word}`));
      expect(turns.map(({ said: texts }) => texts)).toEqual(words.map((word) => [`You said: say ${word}`]));
      expect(turns.map(({ result }) => result?.["status"])).toEqual(["success", "success", "success"]);
      const [first, , third] = words;
      expect(bench.sentWith(third ?? "").at(-1)).toContain(first);
      // Not a running total: each turn asked the model once, for the same few tokens.
      const usages = turns.map(({ result }) => result?.["usage"]);
      for (const usage of usages) expect(usage).toMatchObject({ output_tokens: 12 });
      const costs = turns.map(({ result }) => result?.["cost_usd"]);
      if (costs.some((cost) => cost !== null))
        expect(Math.max(...costs.map(Number))).toBeLessThan(Math.min(...costs.map(Number)) * 3);
    },
  },
  {
    name: "queues prompts in order; one that is withdrawn never reaches the model",
    run: async (bench) => {
      const session = await bench.shared();
      const running = await session.prompt("[[slow:2]]");
      await session.during(running, isWriting);
      const words = ["one", "two", "three"].map((stem) => bench.word(stem));
      const queued: string[] = [];
      for (const word of words) queued.push(await session.prompt(`queued ${word}`));
      expect((await session.view()).queue).toMatchObject(
        queued.map((turn_id, i) => ({ turn_id, text: `queued ${words[i]}`, position: i + 1 })),
      );
      const taken = await bench.daemon.delete(`/sessions/${session.id}/prompts/${queued[1]}`);
      expect(taken).toMatchObject({ status: 200, body: { status: "withdrawn" } });
      const again = await bench.daemon.delete(`/sessions/${session.id}/prompts/${queued[1]}`);
      expect(again).toMatchObject({ status: 409 });
      const all = await session.upTo(queued[2] ?? "");
      const own = new Set([running, ...queued]);
      expect(results(all).filter(({ turn }) => own.has(String(turn)))).toEqual([
        { turn: queued[1], status: "withdrawn" },
        { turn: running, status: "success" },
        { turn: queued[0], status: "success" },
        { turn: queued[2], status: "success" },
      ]);
      expect(bench.sentWith(`queued ${words[0]}`)).not.toHaveLength(0);
      expect(bench.sentWith(`queued ${words[1]}`)).toHaveLength(0);
    },
  },
];
