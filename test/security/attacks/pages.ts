/** A page in a person's browser, by what it can make that browser send. The daemon asks for no token: nothing else holds. */
import type { Attack, AttackGroup } from "./attack.ts";
import { type Asked, Ground } from "./ground.ts";
import { statusesOf } from "./raw.ts";

type Row = Attack<Ground>;

const json = { "content-type": "application/json" };
const session = JSON.stringify({ agent: "echo", prompt: "hi" });
const begin: Asked = { method: "POST", path: "/sessions", headers: json, body: session };

/** A request that is permitted but for what the browser says of where it comes from. */
function from(name: string, headers: Record<string, string>, asked: Asked, permitted: string): Row {
  return {
    name,
    meets: "403 `forbidden_origin`",
    attempt: (ground) => ground.outcome({ ...asked, headers: { ...asked.headers, ...headers } }),
    control: { name: "from a program", meets: permitted, attempt: (ground) => ground.outcome(asked) },
  };
}

const origins = (
  [
    ["a page of another site posts JSON", { origin: "https://evil.example" }],
    ["a page without an origin (a sandboxed frame, a file) posts JSON", { origin: "null" }],
    ["a page of another port of this machine posts JSON", { origin: "http://localhost:1" }],
    ["a page of `localhost.evil.example`", { origin: "http://localhost.evil.example" }],
    ["a page whose origin begins like ours", { origin: "http://127.0.0.1.evil.example" }],
    ["an origin that is no address", { origin: "http://" }],
    ["an extension's page", { origin: "chrome-extension://abcdefghijklmnop" }],
  ] as const
).map(([name, headers]) => from(name, headers, begin, "201"));

const list: Asked = { path: "/sessions" };
const fetched: Row[] = [
  from("a picture, script or link of another site", { "sec-fetch-site": "cross-site" }, list, "200"),
  from("the same of another port of this machine", { "sec-fetch-site": "same-site" }, list, "200"),
  from(
    "an embedded frame of another site",
    { "sec-fetch-site": "cross-site", "sec-fetch-dest": "iframe", "sec-fetch-mode": "navigate" },
    list,
    "200",
  ),
];

/** What a form, or a fetch without a preflight, can send: without an Origin too, as old browsers and some proxies do. */
function simple(name: string, type: string | undefined, body: string): Row {
  const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
  return {
    name,
    meets: "415 `unsupported_media_type`",
    attempt: (ground) => ground.outcome({ ...begin, headers, body }),
    control: {
      name: "said to be JSON",
      meets: "201",
      attempt: (ground) => ground.outcome({ ...begin, body: session }),
    },
  };
}

const forms: Row[] = [
  simple("JSON as `text/plain`, with no origin told", "text/plain", session),
  simple("JSON in the name of a form's field", "application/x-www-form-urlencoded", `${session}=`),
  simple("JSON in a multipart form", "multipart/form-data; boundary=x", `--x\r\n\r\n${session}\r\n--x--`),
  simple("JSON of no type", undefined, session),
  simple("JSON as `text/plain; application/json`", "text/plain; application/json", session),
];

/** What a name that was bound to this machine meanwhile makes a browser send. */
function host(name: string, value: string, asked: Asked = list): Row {
  return {
    name,
    meets: "403 `forbidden_host`",
    attempt: (ground) => ground.outcome({ ...asked, headers: { ...asked.headers, host: value } }),
    control: {
      name: "a loopback name",
      meets: asked.isUpgrade === true ? "101" : asked.method === "POST" ? "201" : "200",
      attempt: (ground) => ground.outcome({ ...asked, headers: { ...asked.headers, host: "localhost:1234" } }),
    },
  };
}

const hosts: Row[] = [
  host("a name bound to 127.0.0.1", "evil.example"),
  host("the same, beginning a session", "evil.example:80", begin),
  host("a name that begins like ours", "127.0.0.1.evil.example"),
  host("a name that ends like ours", "evil-localhost"),
  host("0.0.0.0, which reaches this machine too", "0.0.0.0"),
  host("this machine as one number", "2130706433"),
  host("this machine in hexadecimal", "0x7f000001"),
  host("a name with a dot at the end", "localhost."),
  host("a user's name before a name", "localhost@evil.example"),
  host("two names", "localhost, evil.example"),
  host("an IPv6 form of 127.0.0.1", "[::ffff:127.0.0.1]"),
  {
    name: "an upgrade under a name bound to 127.0.0.1",
    meets: "403 `forbidden_host`",
    attempt: (ground) => upgrade(ground, { host: "evil.example" }),
    control: { name: "a loopback name", meets: "101", attempt: (ground) => upgrade(ground, { host: "localhost" }) },
  },
  ...(
    [
      ["no Host at all", "GET /sessions HTTP/1.1\r\n", "400"],
      ["an empty Host", "GET /sessions HTTP/1.1\r\nHost: \r\n", "403"],
      ["two Hosts", "GET /sessions HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", "400"],
      [
        "another's address as the whole target",
        "GET http://evil.example/sessions HTTP/1.1\r\nHost: localhost\r\n",
        "400",
      ],
      ["a Host of HTTP/1.0 that is none", "GET /sessions HTTP/1.0\r\n", "403"],
    ] as const
  ).map(
    ([name, head, meets]): Row => ({
      name,
      meets,
      attempt: (ground) => statusesOf(ground.daemon.url, `${head}Connection: close\r\n\r\n`),
      control: {
        name: "one that is served",
        meets: "200",
        attempt: (ground) =>
          statusesOf(ground.daemon.url, "GET /sessions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
      },
    }),
  ),
];

function upgrade(ground: Ground, headers: Record<string, string>): Promise<string> {
  return ground.outcome({ path: `/ws/sessions/${ground.id}`, isUpgrade: true, headers });
}

const streams: Row[] = [
  {
    name: "a WebSocket of a page of another site",
    meets: "403 `forbidden_origin`",
    attempt: (ground) => upgrade(ground, { origin: "https://evil.example" }),
    control: { name: "of a program", meets: "101", attempt: (ground) => upgrade(ground, {}) },
  },
  {
    name: "a WebSocket of a sandboxed frame",
    meets: "403 `forbidden_origin`",
    attempt: (ground) => upgrade(ground, { origin: "null" }),
    control: { name: "of a program", meets: "101", attempt: (ground) => upgrade(ground, {}) },
  },
  {
    name: "a session's log for a page of another site",
    meets: "403 `forbidden_origin`",
    attempt: (g) => g.outcome({ path: `/sessions/${g.id}/logs`, headers: { origin: "https://evil.example" } }),
    control: { name: "for a program", meets: "200", attempt: (g) => g.outcome({ path: `/sessions/${g.id}/logs` }) },
  },
];

/** What a browser asks before it lets a page send more than a form could. */
function preflight(name: string, headers: Record<string, string>): Row {
  const asked = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type",
    ...headers,
  };
  return {
    name,
    meets: "403 `forbidden_origin`, and no permission",
    attempt: async (ground) => {
      const reply = await ground.ask({ method: "OPTIONS", path: "/sessions", headers: asked });
      const isPermitted = Object.keys(reply.headers).some((header) => header.startsWith("access-control-"));
      return `${reply.status} \`${reply.error}\`, and ${isPermitted ? "permission" : "no permission"}`;
    },
    control: { name: "what is asked for, by a program", meets: "201", attempt: (ground) => ground.outcome(begin) },
  };
}

const preflights: Row[] = [
  preflight("a preflight", { origin: "https://evil.example" }),
  preflight("a preflight for a private network", {
    origin: "https://evil.example",
    "access-control-request-private-network": "true",
  }),
];

/** A link or a picture is a GET: it must not do what a POST does. */
function byGet(name: string, path: (id: string) => string, done: Asked["path"], permitted: string): Row {
  return {
    name,
    meets: "404 `not_found`",
    attempt: (ground) => ground.outcome({ path: path(ground.id) }),
    control: {
      name: "by POST",
      meets: permitted,
      attempt: (g) => g.outcome({ method: "POST", path: done.replace(":id", g.id) }),
    },
  };
}

const gets: Row[] = [
  byGet("an interrupt by GET", (id) => `/sessions/${id}/interrupt`, "/sessions/:id/interrupt", "202"),
  byGet("garbage collection by GET", () => "/gc", "/gc", "200"),
];

export const pages: AttackGroup<Ground> = {
  title: "Pages",
  who: "a page in the browser of somebody on this machine; the daemon runs with `--no-auth`, so there is no token to lack",
  open: () => Ground.open({ args: ["--no-auth"] }),
  close: (ground) => ground.close(),
  attacks: [...origins, ...fetched, ...forms, ...hosts, ...streams, ...preflights, ...gets],
};
