/** The console's files: who gets them, what a browser is told of them, and that they tell nothing. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { call } from "../security/routes.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon();
});
afterAll(() => daemon?.stop());

const nobody = { headers: { authorization: "" } };
const partsOf = (html: string) =>
  [...html.matchAll(/(?:src|href)="\.(\/assets\/[^"]+)"/g)].map(([, path]) => path ?? "");

test("the page comes without a token, lets in nothing but the daemon's own files, and is asked for anew each time", async () => {
  const page = await daemon.get("/", nobody);
  expect(page.status).toBe(200);
  expect(Object.fromEntries(page.headers)).toMatchObject({
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-cache",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
  });
  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
  expect(policy).not.toMatch(/unsafe|data:|http|\*/);
  expect(page.text).not.toMatch(/<script(?![^>]*src=)|<style|style=| on\w+=/);
  expect(page.text).not.toContain(daemon.token);
  const etag = page.headers.get("etag") ?? "";
  expect(etag).not.toBe("");
  expect(await call(daemon.url, { method: "GET", path: "/" }, { "if-none-match": etag })).toMatchObject({
    status: 304,
  });
});

test("what it is made of is kept for good by its name, and is all of the daemon's own", async () => {
  const { text } = await daemon.get("/", nobody);
  const parts = partsOf(text);
  expect(parts.map((path) => path.replace(/^.*\./, "")).sort()).toEqual(["css", "js", "svg"]);
  for (const path of parts) {
    const { status, headers } = await daemon.get(path, nobody);
    expect([path, status, headers.get("cache-control")]).toEqual([path, 200, "public, max-age=31536000, immutable"]);
    expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'; sandbox");
  }
  expect(text).not.toMatch(/https?:/);
});

test.each(["/assets/none.js", "/assets/..%2findex.html", "/assets/..%2f..%2fagentd.js", "/assets/.hidden", "/assets/"])(
  "%s is not found, and nothing else is shown",
  async (path) => {
    const { status, error } = await call(daemon.url, { method: "GET", path });
    // Where no route is, not even that is told without a token.
    expect([status, error]).toEqual(path !== "/assets/" ? [404, "not_found"] : [401, "unauthorized"]);
  },
);

test("a link of another site leads to the page, in a window of its own; nothing else of another site does", async () => {
  const visit = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
  const page = { method: "GET", path: "/" };
  expect((await call(daemon.url, page, visit)).status).toBe(200);
  for (const other of [
    { ...visit, "sec-fetch-dest": "iframe" },
    { ...visit, "sec-fetch-mode": "cors", "sec-fetch-dest": "empty" },
    { ...visit, origin: "https://evil.example" },
    { ...visit, host: "evil.example" },
  ])
    expect((await call(daemon.url, page, other)).status).toBe(403);
  expect((await call(daemon.url, { method: "GET", path: "/sessions" }, visit)).status).toBe(403);
  expect((await call(daemon.url, { method: "GET", path: "/assets/none.js" }, visit)).status).toBe(403);
});
