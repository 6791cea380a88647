/** What becomes of a program whose terminal is closed: it ends as one that a hangup ends, and not by a crash of Node's. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type ClaudeDaemon, startClaudeDaemon } from "../support/claude-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { agentdPath } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import { openTmux, tmuxPath } from "../support/tmux.ts";

/** 128 and the number of SIGHUP. */
const hungUp = 129;

describe.skipIf(tmuxPath === undefined)("a terminal that is closed", () => {
  let claude: ClaudeDaemon;
  beforeAll(async () => {
    claude = await startClaudeDaemon();
  });
  afterAll(() => claude?.stop());

  test.each([
    { what: "attach", args: "attach ID", shown: "hello there" },
    { what: "attach --plain", args: "attach ID --plain", shown: "hello there" },
    { what: "top", args: "top", shown: "claude" },
    { what: "logs -f", args: "logs -f ID", shown: "hello there" },
    { what: "a daemon", args: "serve --port 0 --data-dir DIR/data", shown: "listening on" },
  ])("ends $what", async ({ args, shown }) => {
    const dir = await tempDir();
    onTestFinished(() => dir.remove());
    const id = await claude.create({ interactive: true, prompt: "hello there" });
    onTestFinished(async () => void (await claude.daemon.delete(`/sessions/${id}`)));
    const tmux = await openTmux({ env: { AGENTD_URL: claude.daemon.url, AGENTD_TOKEN: claude.daemon.token } });
    let isOpen = true;
    onTestFinished(async () => {
      if (isOpen) await tmux.close();
    });
    const [script, ended] = [join(dir.path, "script"), join(dir.path, "ended")];
    // This shell is hung up too, and lives on to tell. The terminal's own must not: with its end the others are told.
    const command = `"${process.execPath}" "${agentdPath}" ${args.replace("ID", id).replace("DIR", dir.path)}`;
    await writeFile(script, `trap : HUP\n${command}\necho $? > "${ended}"\n`);
    await tmux.run(`sh "${script}"`);
    await tmux.sees(shown);
    isOpen = false;
    await tmux.close();
    const code = await eventually(async () => (await readFile(ended, "utf8")).trim(), { what: "its end" });
    expect(Number(code)).toBe(hungUp);
  });
});
