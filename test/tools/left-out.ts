/** The last words of `npm test`: what it did not try. */
import { limitsAsTheyStand } from "../../src/process/group-limits.ts";
import { sandboxSupport } from "../../src/runtime/bubblewrap.ts";
import { browserPath } from "../support/browser.ts";
import { inPath } from "../support/in-path.ts";
import { makeMemoryGroup } from "../support/memory-group.ts";
import { canMount } from "../torture/small-disk.ts";

const sandbox = await sandboxSupport(process.env["PATH"]);
const unlimited = Object.entries(limitsAsTheyStand()).filter(([, support]) => support !== true);
const memoryGroup = makeMemoryGroup(400 * 1024 * 1024);
memoryGroup?.remove();
const leftOut: [isLeftOut: boolean, what: string][] = [
  [
    true,
    "The long tests were LEFT OUT: the conformance suite of every agent, options and faults of OpenCode and of ACP,\n  most attacks, how the console looks, crashes in the midst of things, the long fuzz and the long torture.\n  npm run test:long && npm run test:torture",
  ],
  [
    true,
    "The tests of the docker runtime were LEFT OUT: they need an engine and its images.\n  test/support/docker-lab.sh up && npm run test:docker",
  ],
  [
    "fault" in sandbox,
    `The tests of the local sandbox were LEFT OUT: ${"fault" in sandbox ? `${sandbox.fault}.\n  ${sandbox.advice}` : ""}`,
  ],
  [process.getuid?.() !== 0, "The tests by another user of this machine were LEFT OUT: only root can make an account."],
  [
    !canMount,
    "The tests of a full disk were LEFT OUT, and no disk was filled in the torture: they mount a small one, which needs root on Linux.",
  ],
  [
    unlimited.length > 0,
    `The tests of what a session may take were LEFT OUT:\n${unlimited.map(([kind, why]) => `  ${kind}: ${why}`).join("\n")}`,
  ],
  [
    memoryGroup === undefined,
    "The test of an agent that the kernel kills for want of memory was LEFT OUT: no group with a limit of memory can be made here.\n  Run as root, or with a memory controller that is delegated",
  ],
  [
    process.platform !== "linux",
    "What needs /proc, or the send buffers of Linux, was LEFT OUT: whole process trees, early interrupts, a socket without a reader.",
  ],
  [
    browserPath === undefined,
    "The web console, and the attacks from a real browser, were LEFT OUT: there is no Chromium.\n  apt-get install chromium-headless-shell, or AGENTRUNTIME_TEST_BROWSER=PATH",
  ],
  [
    inPath(["nginx"]) === undefined,
    "The example of a reverse proxy in docs/exposing.md was LEFT OUT: there is no nginx.\n  apt-get install nginx-light",
  ],
  [
    inPath(["zsh"]) === undefined || inPath(["fish"]) === undefined,
    "The completion of zsh or fish was LEFT OUT: one of them is missing.\n  apt-get install zsh fish",
  ],
  [
    inPath(["tmux"]) === undefined,
    "The tests of what is shown on a terminal were LEFT OUT: there is no tmux.\n  apt-get install tmux",
  ],
];
for (const [isLeftOut, what] of leftOut) if (isLeftOut) console.log(`\n${what}`);
console.log("");
