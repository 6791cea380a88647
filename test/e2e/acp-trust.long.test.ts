/** What a checkout brings along acts in a session that trusts it, and in no other, with each program that speaks ACP. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { type AcpDaemon, type ProgramName, programNames, startAcpDaemon } from "../support/acp-daemon.ts";
import { ofType, results } from "../support/claude-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });
const stdioServer = fileURLToPath(new URL("../fixtures/agents/mcp-stdio.mjs", import.meta.url));
let acp: AcpDaemon;
beforeAll(async () => {
  acp = await startAcpDaemon();
});
afterAll(() => acp.stop());

/** What each program would run of it, by the name of the file that it leaves. */
const acts: Record<ProgramName, string[]> = {
  opencode: ["opencode-plugin", "opencode-server"],
  "claude-acp": ["claude-hook", "claude-server"],
  qwen: ["qwen-hook", "qwen-server"],
};
const instructionsOf: Record<ProgramName, string> = {
  opencode: "AGENTS.md",
  "claude-acp": "CLAUDE.md",
  qwen: "QWEN.md",
};

/** A checkout with something for each of them that leaves a file in its folder `marks`. */
async function checkout(): Promise<string> {
  const place = await tempDir();
  onTestFinished(() => place.remove());
  const marks = join(place.path, "marks");
  const put = (path: string, content: object | string) => {
    const file = join(place.path, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  };
  const touch = (name: string) => `touch ${join(marks, name)}`;
  const hooks = (name: string) => ({ UserPromptSubmit: [{ hooks: [{ type: "command", command: touch(name) }] }] });
  const server = (name: string) => ({ command: "sh", args: ["-c", touch(name)] });
  mkdirSync(marks);
  put(".claude/settings.json", { hooks: hooks("claude-hook"), permissions: { defaultMode: "acceptEdits" } });
  put(".mcp.json", { mcpServers: { theirs: server("claude-server") } });
  put("opencode.json", { mcp: { theirs: { type: "local", command: ["sh", "-c", touch("opencode-server")] } } });
  const plugin = `import { writeFileSync } from "node:fs";
export const Plugin = async () => { writeFileSync(${JSON.stringify(join(marks, "opencode-plugin"))}, ""); return {}; };\n`;
  put(".opencode/plugin/theirs.js", plugin);
  put(".qwen/settings.json", { hooks: hooks("qwen-hook"), mcpServers: { theirs: server("qwen-server") } });
  for (const name of ["AGENTS.md", "CLAUDE.md", "QWEN.md"]) put(name, `In ${name} of ${place.path}: speak of plums.\n`);
  return place.path;
}

describe.each(programNames)("%s", (agent) => {
  const run = async (work_dir: string, request: Record<string, unknown>) => {
    const events = await acp.log(await acp.create({ agent, prompt: "hello", work_dir, ...request }));
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    return events;
  };
  const sent = () => JSON.stringify(acp.model.requests.map(({ body }) => body));

  it("runs nothing of a checkout that is not trusted, and tells the model its instructions", async () => {
    const place = await checkout();
    const events = await run(place, {});
    expect(readdirSync(join(place, "marks"))).toEqual([]);
    expect(sent()).toContain(`In ${instructionsOf[agent]} of ${place}: speak of plums.`);
    expect(ofType(events, "system").find((data) => data["subtype"] === "init")?.["mode"]).not.toBe("acceptEdits");
  });

  it("takes a trusted one as it would by itself", async () => {
    const place = await checkout();
    await run(place, { trust_workspace: true });
    for (const mark of acts[agent]) expect(existsSync(join(place, "marks", mark)), mark).toBe(true);
    expect(sent()).toContain(`In ${instructionsOf[agent]} of ${place}: speak of plums.`);
  });

  it(`runs ${agent === "qwen" ? "all" : "nothing"} of it beside the tool servers of the session`, async () => {
    const place = await checkout();
    await run(place, { mcp_servers: [{ name: "lab", cmd: [process.execPath, stdioServer] }] });
    expect(readdirSync(join(place, "marks"))).toEqual(agent === "qwen" ? acts.qwen : []);
  });
});
