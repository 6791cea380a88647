import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { call, routes } from "./routes.ts";

let daemon: Daemon;
let open: Daemon;
beforeAll(async () => {
  [daemon, open] = await Promise.all([startDaemon(), startDaemon({ args: ["--no-auth"] })]);
});
afterAll(async () => {
  await Promise.all([daemon?.stop(), open?.stop()]);
});

const token = () => ({ authorization: `Bearer ${daemon.token}` });

const none = { method: "GET", path: "/none", pattern: "/none", isUpgrade: false, isPage: false };

describe.each([...routes.map((route) => ({ isPage: false, ...route })), none])("$method $pattern", (route) => {
  test("is refused to pages of other sites, with and without an Origin, also with the token", async () => {
    const foreign = [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: "http://localhost:1" },
      { "sec-fetch-site": "cross-site" },
      // Another port of this machine is the same site to a browser.
      { "sec-fetch-site": "same-site" },
    ];
    for (const [from, auth] of [[daemon, token()] as const, [open, {}] as const])
      for (const headers of foreign)
        expect(await call(from.url, route, { ...auth, ...headers })).toMatchObject({
          status: 403,
          ...(route.method === "HEAD" ? {} : { error: "forbidden_origin" }),
        });
  });

  if (route.isPage) {
    test("is a page that runs nothing but the daemon's own, and forbids framing, guessing and sending on", async () => {
      const { headers } = await call(daemon.url, route);
      expect(headers).toMatchObject({
        "content-security-policy": expect.stringMatching(
          /^default-src 'none'; .*base-uri 'none'; form-action 'none'; frame-ancestors 'none'/,
        ),
        "cross-origin-resource-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
      });
      expect(headers["content-security-policy"]).not.toMatch(/unsafe|\*|https?:|data:|blob:/);
      expect(Object.keys(headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
    });
  } else {
    test("is no page: it tells a browser nothing of other sites, and forbids framing, guessing and keeping", async () => {
      for (const headers of [token(), {}]) {
        const answer = await call(daemon.url, { ...route, isUpgrade: false }, headers);
        expect(answer.headers).toMatchObject({
          "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
          "cross-origin-resource-policy": "same-origin",
          "x-content-type-options": "nosniff",
          "x-frame-options": "DENY",
          "referrer-policy": "no-referrer",
          "cache-control": expect.stringMatching(/no-store|no-cache/),
        });
        expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
        expect(String(answer.headers["content-type"] ?? "")).not.toContain("html");
      }
    });
  }

  test("answers no preflight", async () => {
    const preflight = {
      "access-control-request-method": route.method,
      "access-control-request-headers": "authorization",
    };
    const asked = { method: "OPTIONS", path: route.path };
    expect((await call(open.url, asked, { ...preflight, origin: "https://evil.example" })).status).toBe(403);
    expect((await call(open.url, asked, preflight)).status).toBe(404);
  });
});

const withBody = routes.filter(({ method }) => method === "POST" || method === "PUT" || method === "PATCH");

test.each(withBody)("$method $pattern takes no body that a form could send", async (route) => {
  const body = '{"agent":"claude","prompt":"x","name":"x","scope":"admin"}';
  for (const type of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/json",
    "*/*",
  ]) {
    const { status, error } = await call(open.url, route, { "content-type": type }, body);
    expect([type, status, error]).toEqual([type, 415, "unsupported_media_type"]);
  }
  expect((await call(open.url, route, {}, body)).error).toBe("unsupported_media_type");
});
