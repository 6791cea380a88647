/**
 * The public conformance suite for servers of the Durable Streams protocol, as far as it concerns reading. Each of its cases
 * writes before it reads, so it speaks to `test/support/durable-front.ts`; which cases those are, and why the others are not
 * among them, is in docs/decisions/streams.md.
 */
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { expect, onTestFinished, test } from "vitest";
import * as z from "zod";
import { startDurableFront } from "../support/durable-front.ts";
import { startDaemon } from "../support/start-daemon.ts";

const groups = [
  "Read Operations",
  "Long-Poll Operations",
  "HTTP Protocol",
  "Browser Security Headers",
  "HEAD Metadata",
  "Offset Validation and Resumability",
  "Protocol Edge Cases",
  "Long-Poll Edge Cases",
  "Caching and ETag",
  "Chunking and Large Payloads",
  "Read-Your-Writes Consistency",
  "SSE Mode",
  "Property-Based Tests (fast-check) Offset Validation Properties",
  "Stream Closure HEAD with Stream Closure",
  "Stream Closure Read Closed Streams (Catch-up)",
  "Stream Closure Long-poll with Stream Closure",
  "Stream Closure SSE with Stream Closure",
];

/** Within those groups: what looks at the answer to a write, or at the expiry it asked for, which the front would give. */
const ofWriting = [
  "HTTP Protocol should return correct headers on PUT",
  "HTTP Protocol should return 200 on idempotent PUT with same config",
  "HTTP Protocol should return 409 on PUT with different config",
  "HTTP Protocol should return correct headers on POST",
  "HTTP Protocol should return 404 on POST to non-existent stream",
  "HTTP Protocol should return 409 on content-type mismatch",
  "HTTP Protocol should return 404 on DELETE non-existent stream",
  "HTTP Protocol should return 204 on successful DELETE",
  "HTTP Protocol should enforce sequence ordering",
  'HTTP Protocol should enforce lexicographic seq ordering ("2" then "10" rejects)',
  'HTTP Protocol should allow lexicographic seq ordering ("09" then "10" succeeds)',
  "HTTP Protocol should reject duplicate seq values",
  "Browser Security Headers should include X-Content-Type-Options: nosniff on PUT responses",
  "Browser Security Headers should include X-Content-Type-Options: nosniff on POST responses",
  "HEAD Metadata Edge Cases should return TTL metadata if configured",
  "HEAD Metadata Edge Cases should return Expires-At metadata if configured",
  "Protocol Edge Cases should reject empty POST body with 400",
  "Protocol Edge Cases should enforce case-sensitive seq ordering",
  "Protocol Edge Cases should return Location header on 201",
  "Protocol Edge Cases should reject missing Content-Type on POST",
  "Protocol Edge Cases should accept PUT without Content-Type (use default)",
  "Chunking and Large Payloads should handle large payload appropriately",
];

/** Bytes that are no text travel as base64 in that protocol's events; a session's messages are JSON. */
const ofBytes = [
  "SSE Mode base64 SSE catch-up pairs every data event with a control event",
  "SSE Mode should auto-detect binary streams and return base64 encoded data in SSE mode",
  "SSE Mode should include Stream-SSE-Data-Encoding header for binary streams",
  "SSE Mode should base64 encode data events only, control events remain JSON",
  "SSE Mode should handle empty binary payload with auto-detected base64 encoding",
  "SSE Mode should handle large binary payload with auto-detected base64 encoding",
  "SSE Mode should handle binary data with special bytes using auto-detected base64 encoding",
  "SSE Mode should auto-detect base64 encoding for application/x-protobuf streams",
  "SSE Mode should auto-detect base64 encoding for image/png streams",
  "SSE Mode should handle offset=now with auto-detected base64 encoding for binary streams",
];

/** No page of another origin reads a session: the daemon answers no such question. */
const ofOtherOrigins = ["Caching and ETag should allow If-None-Match in CORS preflight responses"];

const leftOut = [...ofWriting, ...ofBytes, ...ofOtherOrigins];

const Report = z.object({
  testResults: z.array(
    z.object({
      assertionResults: z.array(
        z.object({ fullName: z.string(), status: z.string(), failureMessages: z.array(z.string()).nullish() }),
      ),
    }),
  ),
});

test("all cases of the suite that concern reading pass", async () => {
  const mute = { command: "/bin/sh", args: ["-c", "exec cat >/dev/null"] };
  const daemon = await startDaemon({ config: { agents: { mute } } });
  onTestFinished(async () => {
    await daemon.stop();
  });
  const front = await startDurableFront(daemon, "mute");
  onTestFinished(() => front.close());

  const cases = await runSuite(front.url);
  const known = new Set(cases.map(({ fullName }) => fullName));
  expect(leftOut.filter((name) => !known.has(name))).toEqual([]);
  const ours = cases.filter(({ fullName }) => isOurs(fullName));
  expect(groups.filter((group) => !ours.some(({ fullName }) => fullName.startsWith(`${group} `)))).toEqual([]);
  const failed = ours.filter(({ status }) => status !== "passed");
  expect(failed.map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages?.join("\n")}`)).toEqual([]);
});

function isOurs(fullName: string): boolean {
  return groups.some((group) => fullName.startsWith(`${group} `)) && !leftOut.includes(fullName);
}

async function runSuite(url: string) {
  const bin = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const only = `^(?!(?:${leftOut.map(escaped).join("|")})$)(?:${groups.map(escaped).join("|")}) `;
  const { stdout, stderr } = await execa(
    bin("node_modules/.bin/vitest"),
    ["run", "--config", bin("test/vitest.durable-suite.config.ts"), "-t", only],
    { env: { CONFORMANCE_TEST_URL: url }, stdin: "ignore", reject: false },
  );
  const begin = stdout.indexOf("{");
  if (begin < 0) throw new Error(`the suite said nothing: ${stdout}\n${stderr}`);
  const report = Report.parse(JSON.parse(stdout.slice(begin)));
  return report.testResults.flatMap(({ assertionResults }) => assertionResults);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
