import { expect, test } from "vitest";
import { getSession } from "../../../src/client/sessions.ts";

test("an answer that no daemon of this version gives is told in a sentence", async () => {
  const fetch = async () => Response.json({ session_id: 5 });
  const address = { url: "http://127.0.0.1:1", token: undefined, source: "--url", fetch };
  await expect(getSession(address, "a")).rejects.toThrow(
    /^The daemon at http:\/\/127\.0\.0\.1:1 answered GET \/sessions\/a with something unexpected: "session_id": [^\n✖]+\. Are both of the same version\?$/,
  );
});

const page = "<!DOCTYPE html>\n<html><body>\n<h1>Not found</h1>\n</body></html>";

test.each([
  ["text", 200, "hi\nthere", '200, "hi there"'],
  ["a page", 404, page, "404, a page of HTML"],
  ["nothing", 200, "", "200, without a word"],
])("%s from another program is told in a sentence", async (_what, status, text, found) => {
  const fetch = async () => new Response(text, { status });
  const address = { url: "http://127.0.0.1:1", token: undefined, source: "--url", fetch };
  await expect(getSession(address, "a")).rejects.toThrow(
    `Something that is no agentd answers at http://127.0.0.1:1 (--url): ${found}. Name the daemon with --url or --port, or start one on another port: "agentd serve --port 0"`,
  );
});

test("an error in free text is kept, in a line", async () => {
  const fetch = async () => new Response(`no such\n${"x".repeat(100)}`, { status: 404 });
  const address = { url: "http://127.0.0.1:1", token: undefined, source: "--url", fetch };
  await expect(getSession(address, "a")).rejects.toThrow(
    `What answers at http://127.0.0.1:1 (--url) says 404, "no such ${"x".repeat(72)}…". Name the daemon`,
  );
});
