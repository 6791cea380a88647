/** What reaches the model beside the prompt: proved by the request that it got. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { results } from "../../support/claude-daemon.ts";
import type { Case } from "../case.ts";

const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

export const contextCases: readonly Case[] = [
  {
    name: "context reaches the model with the next prompt",
    capability: "context",
    run: async (bench) => {
      const session = await bench.shared();
      const [sky, go] = [bench.word("sky"), bench.word("go")];
      await session.tell("context", { text: `the ${sky} is green today` });
      await session.turn(`go ${go}`);
      expect(bench.sentWith(go)[0]).toContain(`the ${sky} is green today`);
    },
  },
  {
    name: "a mention reaches the model: those lines and no others",
    capability: "mention",
    run: async (bench) => {
      const session = await bench.shared();
      const go = bench.word("go");
      const { here, there } = await session.file(`${bench.word("poem")}.txt`);
      writeFileSync(here, "aubergine row\nbergamot row\ncardamom row\ndill row\n");
      await session.tell("mention", { file_path: there, line_start: 2, line_end: 3 });
      const turn = await session.turn(`go ${go}`);
      const [sent = ""] = bench.sentWith(go);
      expect(sent).toContain("bergamot row\\ncardamom row");
      expect(sent).not.toMatch(/aubergine row|dill row/);
      expect(turn.of("user_message").map((data) => data["kind"])).toContain("prompt");
    },
  },
  {
    name: "`instructions` reach the model",
    capability: "instructions",
    run: async (bench) => {
      const [fruit, go] = [bench.word("quince"), bench.word("go")];
      const session = await bench.create({ prompt: `go ${go}`, instructions: `Speak only of ${fruit}.` });
      expect(results(await session.log())).toEqual([{ turn: "t1", status: "success" }]);
      expect(bench.sentWith(go)[0]).toContain(`Speak only of ${fruit}.`);
    },
  },
  {
    name: "`images` reach the model",
    capability: "images",
    refused: { images: [{ media_type: "image/png", data: png }] },
    run: async (bench) => {
      const go = bench.word("picture");
      const session = await bench.shared();
      const { turn_id } = await session.tell("prompt", {
        text: `what is ${go}`,
        images: [{ media_type: "image/png", data: png }],
      });
      expect((await session.turnEnd(turn_id)).result).toMatchObject({ status: "success" });
      expect(bench.sentWith(go)[0]).toContain(png.slice(0, 40));
    },
  },
  {
    name: "`agent_name`: a custom agent of the checkout",
    capability: "agent_name",
    refused: { agent_name: "critic" },
    run: async (bench) => {
      const { customAgent } = bench.agent;
      if (customAgent === undefined) throw new Error("where does this agent look for custom agents?");
      const [fault, go] = [bench.word("quinces"), bench.word("go")];
      const folder = await bench.workDir();
      try {
        const file = join(folder.path, customAgent);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, `---\nname: critic\ndescription: finds fault\n---\nYou find fault with ${fault}.\n`);
        const session = await bench.create({ prompt: go, work_dir: folder.path, agent_name: "critic" });
        expect(results(await session.log())).toEqual([{ turn: "t1", status: "success" }]);
        expect(bench.sentWith(go)[0]).toContain(`You find fault with ${fault}.`);
      } finally {
        await folder.remove();
      }
      const none = await bench.create({ prompt: "hello", agent_name: "nobody" });
      const events = await none.log();
      expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 1, error_category: "invalid_request" } });
      expect(String(events.at(-1)?.data["error_detail"])).toContain("nobody");
    },
  },
];
