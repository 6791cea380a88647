/**
 * `npm run agents:check`: regenerates what the pinned agents say of themselves, and names what changed of all that we rely
 * on. `-- --update` writes what is found into test/fixtures/relied-on, to be looked at and committed.
 */
import { checkAgent, checkedNames, holdAgent } from "./agents/all.ts";

const isUpdate = process.argv.includes("--update");
const faults: string[] = [];
for (const name of checkedNames) {
  if (isUpdate) await holdAgent(name);
  else faults.push(...(await checkAgent(name)));
}
if (faults.length > 0) {
  console.error(faults.join("\n"));
  console.error(
    `${faults.length} changed. Look at the harness for each; then "npm run agents:check -- --update", and commit what it wrote`,
  );
  process.exitCode = 1;
}
