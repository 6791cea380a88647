/** Steer and interrupt, at each moment at which they may come. */
import { expect } from "vitest";
import { results } from "../../support/claude-daemon.ts";
import { eventually } from "../../support/eventually.ts";
import type { Case } from "../case.ts";
import { isAtWork, isRunning, isWriting, type Turn } from "../live-session.ts";

/** What `[[slow:4]]` says in the end. */
const slowCharacters = 200;
const hasSaidAll = (turn: Turn) => turn.said.some((text) => text.length === slowCharacters);

export const steeringCases: readonly Case[] = [
  {
    name: "steer in mid-text: the same turn goes on with the new words",
    capability: "steer",
    run: async (bench) => {
      const session = await bench.shared();
      const word = bench.word("steered");
      const id = await session.prompt("[[slow:4]]");
      await session.during(id, isWriting);
      expect(await session.tell("steer", { text: `rather [[say:${word}]]` })).toMatchObject({ turn_id: id });
      const turn = await session.turnEnd(id);
      expect(turn.result).toMatchObject({ status: "success", text: word });
      expect(turn.said.at(-1)).toBe(word);
      expect(turn.of("result")).toHaveLength(1);
      expect(turn.progress("input_delivered")).toHaveLength(1);
      expect(turn.of("user_message").map((data) => data["kind"])).toEqual(["prompt", "steer"]);
      await session.goesOn();
      return hasSaidAll(turn) ? "the text is finished first" : "the text is cut";
    },
  },
  {
    name: "steer in mid-tool: the same turn goes on with the new words",
    capability: "steer",
    run: async (bench) => {
      const session = await bench.shared();
      const word = bench.word("steered");
      const id = await session.prompt(bench.agent.words.shell("sleep 2 && echo slept-well"));
      await session.during(id, isAtWork);
      await session.tell("steer", { text: `rather [[say:${word}]]` });
      const turn = await session.turnEnd(id);
      expect(turn.result).toMatchObject({ status: "success", text: word });
      expect(turn.of("tool_result")).toHaveLength(1);
      expect(turn.progress("input_delivered")).toHaveLength(1);
      await session.goesOn();
      const [result] = turn.of("tool_result");
      const isFinished = String(result?.["output"]).includes("slept-well");
      const order = turn.events.map(({ type, data }) => (type === "progress" ? data["kind"] : type));
      // The receipt says that the model has it, not that it waits.
      if (isFinished) expect(order.indexOf("input_delivered")).toBeGreaterThan(order.indexOf("tool_result"));
      return isFinished ? "the tool is finished first" : "the tool is cut";
    },
  },
  {
    name: "steer with no turn running is a prompt",
    capability: "steer",
    run: async (bench) => {
      const session = await bench.shared();
      const word = bench.word("idle");
      const { turn_id } = await session.tell("steer", { text: `hear ${word}` });
      expect((await session.turnEnd(turn_id)).result).toMatchObject({
        status: "success",
        text: `You said: hear ${word}`,
      });
    },
  },
  {
    name: "interrupt in mid-text: the turn ends, the queue stays, the session goes on",
    capability: "interrupt",
    run: async (bench) => {
      const session = await bench.shared();
      const word = bench.word("next");
      const id = await session.prompt("[[slow:30]]");
      await session.during(id, isWriting);
      const next = await session.prompt(`then ${word}`);
      await session.tell("interrupt");
      expect((await session.turnEnd(id)).result).toMatchObject({ status: "interrupted" });
      expect((await session.turnEnd(next)).result).toMatchObject({ status: "success", text: `You said: then ${word}` });
    },
  },
  {
    name: "interrupt in mid-command: the agent's `sleep 300` is dead",
    capability: "interrupt",
    run: async (bench) => {
      const session = await bench.shared();
      const { command, mark } = bench.longCommand();
      const id = await session.prompt(bench.agent.words.shell(command));
      await eventually(() => isRunning(mark), { deadlineMs: 60_000, what: mark });
      await session.during(id, isAtWork);
      await session.tell("interrupt");
      const turn = await session.turnEnd(id);
      expect(turn.result).toMatchObject({ status: "interrupted" });
      expect(turn.of("tool_result")).toHaveLength(1);
      await eventually(() => !isRunning(mark), { what: `the end of ${mark}` });
      await session.goesOn();
    },
  },
  {
    name: "interrupt before the first prompt is given: it never is, and a session for one prompt ends",
    capability: "interrupt",
    run: async (bench) => {
      const word = bench.word("never");
      const session = await bench.create({ prompt: `[[say:${word}]]` });
      await session.tell("interrupt");
      const events = await session.log();
      expect(results(events)).toEqual([{ turn: "t1", status: "interrupted" }]);
      expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
      expect(bench.sentWith(word)).toEqual([]);
      await session.allGone();
    },
  },
  {
    name: "interrupt right behind a prompt, before the agent has begun with it: its turn ends, the session goes on",
    capability: "interrupt",
    run: async (bench) => {
      const session = await bench.shared();
      // Idle: the prompt is given at once.
      await session.goesOn();
      const { command, mark } = bench.longCommand();
      const id = await session.prompt(bench.agent.words.shell(command));
      await session.tell("interrupt");
      const { result } = await session.turnEnd(id);
      expect(result).toMatchObject({ status: "interrupted" });
      await session.goesOn();
      expect(isRunning(mark)).toBe(false);
    },
  },
  {
    name: "interrupt with no turn running changes nothing",
    capability: "interrupt",
    run: async (bench) => {
      const session = await bench.shared();
      await session.tell("interrupt");
      await session.goesOn();
    },
  },
];
