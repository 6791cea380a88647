/** Old conversations and changed minds: resume, fork, another model, another permission mode, limits. */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import type { PermissionMode } from "../../../src/protocol/session.ts";
import { ofType, results } from "../../support/claude-daemon.ts";
import type { Bench } from "../bench.ts";
import type { Case } from "../case.ts";
import type { LiveSession } from "../live-session.ts";

/** In each mode a file is made: with a person's leave or without being asked. */
async function changeModes(session: LiveSession, bench: Bench, modes: readonly PermissionMode[]): Promise<void> {
  const make = async (mode: PermissionMode) => {
    const { here, there } = await session.file(`${bench.word(mode)}.txt`);
    const id = await session.prompt(bench.agent.words.makeFile(there));
    if (mode === "interactive") {
      const { request_id } = await session.question(id);
      expect(existsSync(here)).toBe(false);
      await session.respond(request_id, { decision: "approve_once" });
    }
    expect((await session.turnEnd(id)).of("input_required")).toHaveLength(mode === "interactive" ? 1 : 0);
    expect(existsSync(here)).toBe(true);
  };
  await make((await session.view()).permission_mode);
  for (const permission_mode of modes) {
    expect(await session.patch({ permission_mode })).toMatchObject({ status: 200, body: { permission_mode } });
    await make(permission_mode);
  }
}

export const conversationCases: readonly Case[] = [
  {
    name: "another model from the next request on",
    capability: "set_model",
    run: async (bench) => {
      const session = await bench.create({ interactive: true });
      const [one, two] = [bench.word("one"), bench.word("two")];
      expect((await session.turn(`hear ${one}`)).result).toMatchObject({ status: "success" });
      const modelOf = (word: string) => bench.model.requests.find(({ text }) => text.includes(word))?.body.model;
      const before = modelOf(one);
      expect(await session.patch({ model: bench.agent.otherModel })).toMatchObject({ status: 200 });
      expect((await session.turn(`hear ${two}`)).result).toMatchObject({ status: "success" });
      expect(modelOf(two)).toBe(bench.agent.otherModel.replace(/^.*\//, ""));
      expect(modelOf(two)).not.toBe(before);
      expect((await session.patch({})).status).toBe(400);
      await session.end();
    },
  },
  {
    name: "another permission mode, to and fro",
    capability: "set_permission_mode",
    run: async (bench) => {
      const { asksFromStartOnly } = bench.agent.differs;
      if (!asksFromStartOnly) {
        await changeModes(await bench.shared(), bench, ["interactive", "autonomous"]);
        return undefined;
      }
      await changeModes(await bench.shared("interactive"), bench, ["autonomous", "interactive"]);
      const refused = await (await bench.shared()).patch({ permission_mode: "interactive" });
      expect(refused).toMatchObject({ status: 400, body: { error: "unsupported_by_agent" } });
      return "in a session that began `interactive`; else 400 `unsupported_by_agent`";
    },
  },
  {
    name: "the daemon is killed: the next one goes on with the live session",
    run: async (bench) => {
      const session = await bench.shared();
      const [kept, which] = [bench.word("heliotrope"), bench.word("which")];
      await session.turn(`remember the word ${kept}`);
      const running = await session.prompt("[[slow:2]]");
      const queued = await session.prompt("behind it");
      await bench.killDaemon();
      expect((await session.turnEnd(running)).result).toMatchObject({ status: "success" });
      expect((await session.turnEnd(queued)).result).toMatchObject({ status: "success", text: "You said: behind it" });
      const asked = await session.turn(`${which} word was it?`);
      expect(asked.result).toMatchObject({ status: "success" });
      expect(bench.sentWith(which)[0]).toContain(kept);
      const events = await session.upTo(asked.id);
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
      return "yes";
    },
  },
  {
    name: "resume after a restart of the daemon: recalls what was said before",
    capability: "resume",
    run: async (bench) => {
      const folder = await bench.workDir();
      const [kept, which] = [bench.word("vermilion"), bench.word("which")];
      const first = await bench.create({ interactive: true, work_dir: folder.path });
      await first.turn(`remember the word ${kept}`);
      const busy = await bench.ask({ prompt: "x", resume_session: first.id });
      expect(busy).toMatchObject({ status: 409, body: { error: "resume_in_use" } });
      await first.tell("stop", { mode: "drain" });
      await first.log();
      await bench.killDaemon();
      const prompt = `${which} word was it?`;
      const second = await bench.create({ prompt, resume_session: first.id, work_dir: folder.path });
      const events = await second.log();
      expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
      expect(bench.sentWith(which)[0]).toContain(`remember the word ${kept}`);
      // History that is told again is no event of this session.
      expect(ofType(events, "user_message")).toMatchObject([{ text: prompt }]);
      expect(ofType(events, "agent_message").filter((data) => data["delta"] === false)).toHaveLength(1);
      expect((await second.view()).agent_session_id).toBe((await first.view()).agent_session_id);
      await folder.remove();
    },
  },
  {
    name: "fork: a copy goes on while the first lives",
    capability: "fork",
    run: async (bench) => {
      const folder = await bench.workDir();
      const [kept, which] = [bench.word("heron"), bench.word("which")];
      const first = await bench.create({ interactive: true, work_dir: folder.path });
      await first.turn(`remember the word ${kept}`);
      const asked = { prompt: `${which} word was it?`, resume_session: first.id, fork: true, work_dir: folder.path };
      const copy = await bench.create(asked);
      expect(results(await copy.log())).toEqual([{ turn: "t1", status: "success" }]);
      expect(bench.sentWith(which)[0]).toContain(`remember the word ${kept}`);
      expect((await copy.view()).agent_session_id).not.toBe((await first.view()).agent_session_id);
      const still = bench.word("still");
      await first.turn(`${still} there?`);
      expect(bench.sentWith(still)[0]).not.toContain(which);
      await first.end();
      await folder.remove();
    },
  },
  {
    name: "resume of a conversation that is not there: session_not_found",
    run: async (bench) => {
      const session = await bench.create({ prompt: "hello", resume_session: bench.agent.unknownConversation });
      const events = await session.log();
      expect(results(events)).toMatchObject([{ turn: "t1" }]);
      expect(events.at(-1)).toMatchObject({ type: "exit", data: { error_category: "session_not_found" } });
      await session.allGone();
      return "yes";
    },
  },
  {
    name: "`max_turns` ends the turn as `limit`",
    capability: "max_turns",
    refused: { max_turns: 2 },
    run: async (bench) => {
      const session = await bench.create({ prompt: "[[loop]]", max_turns: 2 });
      expect(results(await session.log())).toEqual([{ turn: "t1", status: "limit" }]);
    },
  },
  {
    name: "`turn_timeout` ends the turn as `limit`, and the session goes on",
    run: async (bench) => {
      const session = await bench.shared("hurried");
      expect((await session.turn("[[slow:30]]")).result).toMatchObject({ status: "limit" });
      await session.goesOn();
      return "yes";
    },
  },
  {
    name: "`max_budget_usd` takes no further turn once it is spent",
    capability: "max_budget_usd",
    run: async (bench) => {
      const session = await bench.create({ interactive: true, max_budget_usd: 0.000001 });
      await session.turn("one");
      const refused = await bench.daemon.post(`/sessions/${session.id}/prompt`, { text: "two" });
      expect(refused).toMatchObject({ status: 409, body: { error: "budget_spent" } });
      await session.end();
    },
  },
  {
    name: "`output_schema`: the answer in the form that was asked for",
    capability: "output_schema",
    refused: { output_schema: { type: "object" } },
    run: async (bench) => {
      const properties = { answer: { type: "number" } };
      const output_schema = { type: "object", properties, required: ["answer"], additionalProperties: false };
      const session = await bench.create({ prompt: bench.agent.words.structured, output_schema });
      expect(ofType(await session.log(), "result")).toMatchObject([
        { status: "success", structured_output: { answer: 4 } },
      ]);
    },
  },
];
