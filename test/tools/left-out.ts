/** The last words of `npm test`: what it did not try. */
import { sandboxSupport } from "../../src/runtime/bubblewrap.ts";

console.log(`
The tests of the docker runtime were LEFT OUT: they need an engine and its images.
  test/support/docker-lab.sh up && npm run test:docker
`);
const support = await sandboxSupport(process.env["PATH"]);
if ("fault" in support)
  console.log(`The tests of the local sandbox were LEFT OUT: ${support.fault}.\n  ${support.advice}\n`);
if (process.getuid?.() !== 0)
  console.log("The tests by another user of this machine were LEFT OUT: only root can make an account.\n");
