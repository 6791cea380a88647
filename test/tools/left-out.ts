/** The last words of `npm test`: what it did not try. */
import { sandboxSupport } from "../../src/runtime/bubblewrap.ts";
import { browserPath } from "../support/browser.ts";
import { inPath } from "../support/in-path.ts";

const sandbox = await sandboxSupport(process.env["PATH"]);
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
