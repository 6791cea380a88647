/** What happens to the agent's process and to the lines between it and us. */
import { expect } from "vitest";
import { ofType, results } from "../../support/claude-daemon.ts";
import { eventually } from "../../support/eventually.ts";
import type { Case } from "../case.ts";
import { isAtWork, isRunning } from "../live-session.ts";

export const accidentCases: readonly Case[] = [
  {
    name: "the agent is killed: turn and call are closed, its command is dead",
    run: async (bench) => {
      const session = await bench.create({ interactive: true });
      const { command, mark } = bench.longCommand();
      const id = await session.prompt(bench.agent.words.shell(command));
      await eventually(() => isRunning(mark), { deadlineMs: 60_000, what: mark });
      await session.during(id, isAtWork);
      process.kill(session.agentPid(), "SIGKILL");
      const events = await session.log();
      expect(results(events)).toEqual([{ turn: id, status: "aborted" }]);
      expect(ofType(events, "tool_result")).toMatchObject([{ synthetic: true, is_error: true }]);
      expect(events.at(-1)).toMatchObject({
        type: "exit",
        data: { code: 137, signal: "SIGKILL", error_category: "agent_crash" },
      });
      await session.allGone();
      expect(isRunning(mark)).toBe(false);
      return "yes";
    },
  },
  {
    name: "messages of a newer agent are kept as `raw`, and the session goes on",
    run: async (bench) => {
      const session = await bench.shared("injected");
      const turn = await session.turn("{inject} and [[say:unmoved]]");
      expect(turn.result).toMatchObject({ status: "success", text: "unmoved" });
      const events = await session.upTo(turn.id);
      const kept = ofType(events, "system").flatMap(({ subtype, text }) => (subtype === "raw" ? [String(text)] : []));
      for (const line of bench.agent.injector.unknown) expect(kept).toContain(line);
      await session.goesOn();
      return "yes";
    },
  },
  {
    name: "its stdin is closed: the turn has its result, and nothing hangs",
    run: async (bench) => {
      const session = await bench.shared("injected");
      const id = await session.prompt("{close} and [[slow:1]]");
      const turn = await session.turnEnd(id);
      expect(turn.of("result")).toHaveLength(1);
      if (bench.agent.differs.outlivesItsInput) {
        expect(turn.result).toMatchObject({ status: "success" });
        await session.goesOn();
        return "its stdin is nothing to it: the session goes on";
      }
      const events = await session.log();
      expect(events.filter(({ type }) => type === "exit")).toHaveLength(1);
      expect(results(events).filter(({ turn: one }) => one === id)).toHaveLength(1);
      const after = await bench.daemon.post(`/sessions/${session.id}/prompt`, { text: "more" });
      expect(after).toMatchObject({ status: 409, body: { error: "session_ended" } });
      await session.allGone();
      return turn.result?.["status"] === "success"
        ? "the turn is finished, then it ends"
        : "the turn ends `aborted` with it";
    },
  },
];
