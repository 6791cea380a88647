/**
 * A plugin of OpenCode that reports the HTTP status of each call of a model service on stderr. The program tells of a
 * retry in prose alone, and whether it waits for a rate limit or for a broken service must not be read from prose.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as z from "zod";

const source = `const original = globalThis.fetch;
const tell = (status) => process.stderr.write(JSON.stringify({ agentruntime: "http", status }) + "\\n");
const call = async (input, init) => {
  const method = init?.method ?? (typeof input === "object" && "method" in input ? input.method : "GET");
  if (method !== "POST") return original(input, init);
  try {
    const response = await original(input, init);
    tell(response.status);
    return response;
  } catch (error) {
    tell(null);
    throw error;
  }
};
globalThis.fetch = Object.assign(call, original);
export const HttpStatus = async () => ({});
`;

/** Writes it below the folder. Returns its URL for the configuration. */
export function writeStatusPlugin(folder: string): string {
  const path = join(folder, "opencode-http-status.js");
  writeFileSync(path, source, { mode: 0o600 });
  return pathToFileURL(path).href;
}

const StatusLine = z.object({ agentruntime: z.literal("http"), status: z.number().nullable() });

/** The status that a line of stderr reports; undefined for any other line. */
export function reportedStatus(line: string): number | null | undefined {
  if (!line.startsWith('{"agentruntime"')) return undefined;
  try {
    return StatusLine.safeParse(JSON.parse(line)).data?.status;
  } catch {
    // Cut or mixed with another line: the next report will do.
    return undefined;
  }
}
