/**
 * A plugin of OpenCode that reports the HTTP status of each call of a model service on stderr, and of a refusal for too much
 * use the service's own word. The program tells of a retry in prose alone, and whether it waits for a rate limit, for a
 * broken service or for an account that is used up must not be read from prose.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as z from "zod";

const source = `const original = globalThis.fetch;
const tell = (status, words = []) => process.stderr.write(JSON.stringify({ agentruntime: "http", status, words }) + "\\n");
const wordsOf = async (response) => {
  try {
    const { error } = JSON.parse((await response.clone().text()).slice(0, 65536));
    return [error?.code, error?.type].filter((word) => typeof word === "string").map((word) => word.slice(0, 100));
  } catch {
    return [];
  }
};
const call = async (input, init) => {
  const method = init?.method ?? (typeof input === "object" && "method" in input ? input.method : "GET");
  if (method !== "POST") return original(input, init);
  try {
    const response = await original(input, init);
    tell(response.status, response.status === 429 ? await wordsOf(response) : []);
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

const StatusLine = z.object({
  agentruntime: z.literal("http"),
  status: z.number().nullable(),
  words: z.array(z.string()).default([]),
});

/** How a model service answered: with which status (null: nobody did) and, of a refusal, in which of its words. */
export interface ServiceAnswer {
  status: number | null;
  words: readonly string[];
}

/** What a line of stderr reports; undefined for any other line. */
export function reportedAnswer(line: string): ServiceAnswer | undefined {
  if (!line.startsWith('{"agentruntime"')) return undefined;
  try {
    return StatusLine.safeParse(JSON.parse(line)).data;
  } catch {
    // Cut or mixed with another line: the next report will do.
    return undefined;
  }
}
