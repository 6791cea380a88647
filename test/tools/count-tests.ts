/** Prints `N passed, N failed` over the JSON reports of a folder; for .ci/run. Arguments: folder, exit status of the tests. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";

const Report = z.object({
  success: z.boolean(),
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  testResults: z.array(z.object({ status: z.string(), message: z.string(), assertionResults: z.array(z.unknown()) })),
});

const [folder = ".", status = "0"] = process.argv.slice(2);
const reports = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .map((name) => Report.parse(JSON.parse(readFileSync(join(folder, name), "utf8"))));

const passed = sum((report) => report.numPassedTests);
// A file that fails outside of its tests (it does not load, or it left something behind) is a failure too.
const failedTests = sum((report) => report.numFailedTests);
const failedFiles = sum((report) => report.testResults.filter((file) => file.status === "failed").length);
const failed = Math.max(failedTests, failedFiles, status === "0" ? 0 : 1);
const skipped = sum((report) => report.numPendingTests + report.numTodoTests);

console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
if (passed === 0 || failed > 0 || reports.some((report) => !report.success)) process.exitCode = 1;

function sum(count: (report: z.infer<typeof Report>) => number): number {
  return reports.reduce((total, report) => total + count(report), 0);
}
