/** What a person is asked, and every way in which that can end. */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import type { Bench } from "../bench.ts";
import type { Case } from "../case.ts";
import type { AgentFile, LiveSession } from "../live-session.ts";

interface Asked {
  session: LiveSession;
  turnId: string;
  question: { request_id: string } & Record<string, unknown>;
  /** What the tool would make. */
  file: AgentFile;
}

/** A session whose agent waits for permission to make a file that is not there yet. */
async function askForLeave(bench: Bench): Promise<Asked> {
  const session = await bench.shared("interactive");
  const file = await session.file(`${bench.word("made")}.txt`);
  const turnId = await session.prompt(bench.agent.words.makeFile(file.there));
  const question = await session.question(turnId);
  expect(question).toMatchObject({ kind: "permission", turn_id: turnId, tool: { input: expect.anything() } });
  expect((await session.view()).activity).toBe("awaiting_input");
  expect(existsSync(file.here)).toBe(false);
  return { session, turnId, question, file };
}

export const questionCases: readonly Case[] = [
  {
    name: "approve: the tool runs then, and not before",
    capability: "interactive",
    run: async (bench) => {
      const { session, turnId, question, file } = await askForLeave(bench);
      const answer = { decision: "approve_once" };
      expect(await session.respond(question.request_id, answer)).toMatchObject({ status: 200, body: answer });
      const turn = await session.turnEnd(turnId);
      expect(turn.result).toMatchObject({ status: "success" });
      expect(turn.of("input_resolved")).toMatchObject([{ ...answer, by: "client" }]);
      expect(turn.of("tool_result")).toMatchObject([{ is_error: false }]);
      expect(existsSync(file.here)).toBe(true);
      expect((await session.respond(question.request_id, answer)).status).toBe(200);
      expect(await session.respond(question.request_id, { decision: "deny" })).toMatchObject({
        status: 409,
        body: { error: "input_answered" },
      });
      expect((await session.respond("no-such", answer)).status).toBe(404);
    },
  },
  {
    name: "deny: the tool does not run, and the turn goes on",
    capability: "interactive",
    run: async (bench) => {
      const { session, turnId, question, file } = await askForLeave(bench);
      const why = bench.word("because");
      await session.respond(question.request_id, { decision: "deny", message: `no, ${why}` });
      const turn = await session.turnEnd(turnId);
      expect(turn.result).toMatchObject({ status: "success" });
      expect(turn.of("input_resolved")).toMatchObject([{ decision: "deny", message: `no, ${why}` }]);
      expect(turn.of("tool_result")).toMatchObject([{ is_error: true }]);
      expect(existsSync(file.here)).toBe(false);
      return whetherTold(bench, why);
    },
  },
  {
    name: "approve for the session: that tool and target only",
    capability: "approve_session",
    run: async (bench) => {
      const { session, turnId, question, file } = await askForLeave(bench);
      await session.respond(question.request_id, { decision: "approve_session" });
      await session.turnEnd(turnId);
      expect(existsSync(file.here)).toBe(true);
      const again = await session.turn(bench.agent.words.makeFile(file.there));
      expect(again.of("input_required")).toEqual([]);
      expect(again.of("tool_result")).toMatchObject([{ is_error: false }]);
      const other = await askForLeave(bench);
      await session.respond(other.question.request_id, { decision: "deny" });
      expect((await session.turnEnd(other.turnId)).of("input_resolved")).toMatchObject([{ decision: "deny" }]);
    },
  },
  {
    name: "expire: nobody answers, and the record says so",
    capability: "interactive",
    run: async (bench) => {
      const prompt = bench.agent.words.makeFile("never.txt");
      const session = await bench.create({ prompt, permission_mode: "interactive", input_timeout: "1s" });
      const events = await session.log();
      const of = (type: string) => events.filter((event) => event.type === type).map(({ data }) => data);
      const [asked] = of("input_required");
      expect(asked?.["expires_at"]).toEqual(expect.any(Number));
      const expired = { request_id: asked?.["request_id"], decision: "expired", by: "timeout" };
      expect(of("input_resolved")).toMatchObject([expired]);
      expect(of("result")).toMatchObject([{ status: "success" }]);
      expect(existsSync((await session.file("never.txt")).here)).toBe(false);
      expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
      const late = await session.respond(String(asked?.["request_id"]), { decision: "approve_once" });
      expect(late).toMatchObject({ status: 409, body: { error: "input_answered", decision: "expired" } });
      return whetherTold(bench, "Nobody answered within 1 s");
    },
  },
  {
    name: "interrupt with a question open: it is closed with its turn",
    capability: "interactive",
    run: async (bench) => {
      const { session, turnId, file } = await askForLeave(bench);
      await session.tell("interrupt");
      const turn = await session.turnEnd(turnId);
      expect(turn.result).toMatchObject({ status: "interrupted" });
      expect(turn.of("input_resolved")).toMatchObject([{ decision: "aborted" }]);
      expect(existsSync(file.here)).toBe(false);
      await session.goesOn();
    },
  },
  {
    name: "a question of the agent is answered",
    run: async (bench) => {
      const { question: words } = bench.agent.words;
      const session = await bench.shared("interactive");
      if (words === undefined) return notOfferedToModel(bench, session);
      const turnId = await session.prompt(words);
      const asked = await session.question(turnId);
      expect(asked).toMatchObject({ kind: "question", questions: [{ text: "Which colour?" }] });
      const [{ id }] = asked.questions;
      await session.respond(asked.request_id, { decision: "approve_once", answers: { [id]: "Blue" } });
      const turn = await session.turnEnd(turnId);
      expect(turn.result).toMatchObject({ status: "success" });
      expect(turn.of("input_resolved")).toMatchObject([{ decision: "approve_once", answers: { [id]: "Blue" } }]);
      expect(JSON.stringify(turn.of("tool_result"))).toContain("Blue");
      return "yes";
    },
  },
];

/** The words of a person who said no, where the agent's protocol has a place for them. */
function whetherTold(bench: Bench, words: string): string | undefined {
  const isTold = bench.sentWith(words).length > 0;
  expect(isTold).toBe(!bench.agent.differs.cannotSayWhy);
  return isTold ? undefined : "the reason stays in the log: the protocol has no place for it";
}

/** The evidence: the model of an interactive session is offered no tool that asks. */
async function notOfferedToModel(bench: Bench, session: LiveSession): Promise<string> {
  const word = bench.word("offered");
  await session.turn(`what do you have, ${word}`);
  const offered = bench.sentWith(word).map((sent) => toolNames(JSON.parse(sent)));
  expect(Math.max(...offered.map((names) => names.length))).toBeGreaterThan(3);
  expect(offered.flat()).not.toContain(bench.agent.questionTool);
  return "not offered: its model has no tool that asks";
}

function toolNames(request: { tools?: { name: string }[] }): string[] {
  return (request.tools ?? []).map(({ name }) => name);
}
