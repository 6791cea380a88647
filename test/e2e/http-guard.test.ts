import { readFileSync } from "node:fs";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import WebSocket from "ws";
import { routeTable } from "../../src/api/route-table.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const protocol = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");
/** Every call that the protocol's page names. */
const routes = [...protocol.matchAll(/^\| `(GET|POST|DELETE) (\/[^`? ]*)/gm)].map(([, method = "", path = ""]) => ({
  method,
  path: path.replace(":id", "11111111-0000-4000-8000-000000000000").replace(":name", "b").replace(":turn_id", "t1"),
}));
const upgrade = "/ws/sessions/11111111-0000-4000-8000-000000000000";

let daemon: Daemon;
let open: Daemon;
beforeAll(async () => {
  [daemon, open] = await Promise.all([
    startDaemon({ config: { served_names: ["Agents.Example"] } }),
    startDaemon({ args: ["--no-auth"] }),
  ]);
});
afterAll(async () => {
  await Promise.all([daemon?.stop(), open?.stop()]);
});

test("the page names the routes", () => {
  expect(routes.length).toBeGreaterThan(15);
  expect(protocol).toContain("GET /ws/sessions/:id");
});

describe.each([...routes, { method: "GET", path: "/no/such/route" }])("$method $path", ({ method, path }) => {
  const isOpen = routeTable[`${method} ${path}`]?.scope === "open";
  const isProbe = path === "/health/live" || path === "/health/ready";

  test("is refused to a foreign Host and a foreign Origin, before anything else", async () => {
    for (const from of [daemon, open]) {
      for (const host of ["evil.example", "127.0.0.1.evil.example:80"]) {
        // Probes of a machine know its address only, and are told no more than that it lives.
        const refused = isProbe ? [200, undefined] : [403, "forbidden_host"];
        expect(await call(from, method, path, { host })).toEqual(refused);
      }
      expect(await call(from, method, path, { origin: "https://evil.example" })).toEqual([403, "forbidden_origin"]);
      expect(await call(from, method, path, { origin: "null" })).toEqual([403, "forbidden_origin"]);
    }
  });

  test("is refused without the token, unless it is open", async () => {
    for (const authorization of [
      undefined,
      "",
      "Bearer",
      "Bearer x",
      "Basic abc",
      `Bearer ${daemon.token}x`,
      `Bearer ${daemon.token.slice(1)}`,
    ]) {
      const [status, error] = await call(daemon, method, path, authorization === undefined ? {} : { authorization });
      expect([authorization, status, error]).toEqual(
        isOpen ? [authorization, 200, undefined] : [authorization, 401, "unauthorized"],
      );
    }
  });

  test("is served with the token, and without one under --no-auth", async () => {
    for (const [status] of [
      await call(daemon, method, path, { authorization: `Bearer ${daemon.token}` }),
      await call(open, method, path, {}),
    ]) {
      expect([401, 403]).not.toContain(status);
    }
  });
});

test("an address that cannot be read is refused to strangers like any other", async () => {
  for (const path of ["/%zz", `/sessions/${"x".repeat(500)}`]) {
    expect(await call(daemon, "GET", path, { host: "evil.example" })).toEqual([403, "forbidden_host"]);
    expect(await call(daemon, "GET", path, {})).toEqual([401, "unauthorized"]);
  }
  expect(await call(open, "GET", "/%zz", {})).toEqual([400, "invalid_request"]);
});

describe("the upgrade", () => {
  const attempt = (from: Daemon, headers: Record<string, string>) =>
    new Promise<number>((resolve) => {
      const socket = new WebSocket(from.url.replace("http", "ws") + upgrade, { headers });
      socket.on("unexpected-response", (_, response) => {
        resolve(response.statusCode ?? 0);
        socket.terminate();
      });
      socket.on("error", () => {});
    });

  test("is refused to a foreign Host, a foreign Origin and without the token, before it is made", async () => {
    const token = { authorization: `Bearer ${daemon.token}` };
    expect(await attempt(daemon, { ...token, host: "evil.example" })).toBe(403);
    expect(await attempt(daemon, { ...token, origin: "http://evil.example" })).toBe(403);
    expect(await attempt(daemon, {})).toBe(401);
    expect(await attempt(daemon, token)).toBe(404);
    expect(await attempt(open, { origin: "http://evil.example" })).toBe(403);
    expect(await attempt(open, {})).toBe(404);
  });
});

test("loopback names, configured names and the daemon's own pages are served", async () => {
  const authorization = `Bearer ${daemon.token}`;
  const own = new URL(daemon.url).host;
  for (const host of [
    own,
    "localhost",
    "LOCALHOST:1",
    "127.0.0.1",
    "[::1]:80",
    "agents.example",
    "Agents.Example:443",
  ]) {
    expect([host, ...(await call(daemon, "GET", "/sessions", { authorization, host }))]).toEqual([
      host,
      200,
      undefined,
    ]);
  }
  expect(await call(daemon, "GET", "/sessions", { authorization, host: own, origin: `http://${own}` })).toEqual([
    200,
    undefined,
  ]);
});

/** Status and error code. `fetch` would not let us set the Host. */
function call(
  from: Daemon,
  method: string,
  path: string,
  headers: Record<string, string>,
): Promise<[number, string | undefined]> {
  return new Promise((resolve, reject) => {
    const sent = request(from.url + path, { method, headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => {
        const error = text.startsWith("{") ? JSON.parse(text).error : undefined;
        resolve([response.statusCode ?? 0, error]);
      });
    });
    sent.on("error", reject);
    sent.end();
  });
}
