/** `npm run verify-log -- FILE…`: proves that logs are whole; exit code 1 and the place of each fault when not. */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { LogCheck, type Report } from "./log-check.ts";

const files = process.argv.slice(2);
if (files.length === 0) {
  console.error("usage: npm run verify-log -- FILE…   (a session's log, such as DATA_DIR/sessions/ID/events.ndjson)");
  process.exitCode = 2;
}
for (const file of files) {
  try {
    const check = new LogCheck();
    const bytes = createReadStream(file, { highWaterMark: 1024 * 1024 });
    // What the daemon's policy has compressed.
    const lines = file.endsWith(".gz") ? pipeline(bytes, createGunzip(), () => undefined) : bytes;
    for await (const chunk of lines) check.push(chunk as Buffer);
    print(file, check.end());
  } catch (thrown) {
    console.error(`${file}: cannot read: ${thrown instanceof Error ? thrown.message : thrown}`);
    process.exitCode = 1;
  }
}

function print(file: string, report: Report): void {
  const { lines, bytes, firstSeq, lastSeq, sidecarSeq, daemonBorn, byType, ended, faults, moreFaults } = report;
  const types = Object.entries(byType)
    .map(([type, count]) => `${type} ${count}`)
    .join(", ");
  console.log(`${file}: ${faults.length === 0 ? "whole" : "DAMAGED"}, ${ended ? "ended" : "not ended"}`);
  console.log(
    `  ${lines} lines, ${bytes} bytes, seq ${firstSeq ?? "-"} to ${lastSeq ?? "-"}, sidecar_seq to ${sidecarSeq}`,
  );
  console.log(`  ${types || "no events"}; ${daemonBorn} written by the daemon itself`);
  for (const { kind, at, message } of faults) console.log(`  byte ${at}: ${kind}: ${message}`);
  if (moreFaults > 0) console.log(`  and ${moreFaults} more of these kinds`);
  if (faults.length > 0) process.exitCode = 1;
}
