import { expect, test } from "vitest";
import { getSession } from "../../../src/client/sessions.ts";

test("an answer that no daemon of this version gives is told in a sentence", async () => {
  const fetch = async () => Response.json({ session_id: 5 });
  const address = { url: "http://127.0.0.1:1", token: undefined, source: "--url", fetch };
  await expect(getSession(address, "a")).rejects.toThrow(
    /^The daemon at http:\/\/127\.0\.0\.1:1 answered GET \/sessions\/a with something unexpected: "session_id": [^\n✖]+\. Are both of the same version\?$/,
  );
});
