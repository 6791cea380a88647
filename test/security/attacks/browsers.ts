/** The same attacker as in pages.ts, with a real browser: what it sends, lets pass and shows is its own doing. */
import { randomUUID } from "node:crypto";
import { Browser, browserPath } from "../../support/browser.ts";
import { eventually } from "../../support/eventually.ts";
import type { Attack, AttackGroup } from "./attack.ts";
import { Ground } from "./ground.ts";
import { openRelay, type Relay } from "./relay.ts";

interface Street {
  ground: Ground;
  browser: Browser;
  relay: Relay;
}
type Row = Attack<Street>;

const evil = "evil.example";

/** Where a page stands, and what it aims at. */
interface Stand {
  page: string;
  target: string;
}
const port = ({ ground }: Street) => new URL(ground.daemon.url).port;
/** Of another site, aiming at the daemon. */
const elsewhere = (street: Street): Stand => ({
  page: `http://${evil}:${street.relay.port}/page`,
  target: `http://localhost:${port(street)}`,
});
/** Of another program of this machine. */
const nextDoor = (street: Street): Stand => ({
  page: `http://localhost:${street.relay.port}/page`,
  target: `http://localhost:${port(street)}`,
});
/** Of a name that is the daemon's by now. */
const rebound = ({ relay }: Street): Stand => ({
  page: `http://${evil}:${relay.port}/page`,
  target: `http://${evil}:${relay.port}`,
});
/** Of the daemon's own name, as a page that it served would be. */
const atHome = ({ relay }: Street): Stand => ({
  page: `http://localhost:${relay.port}/page`,
  target: `http://localhost:${relay.port}`,
});

/** The same page, whose aim asks for nothing before it hands on what it is sent. */
const carefree = ({ relay }: Street, { page, target }: Stand): Stand => {
  const { hostname } = new URL(target);
  return { page, target: `http://${hostname}:${relay.port}/lax` };
};

interface Aim {
  target: string;
  id: string;
  /** A session that the page begins is known by it. */
  mark: string;
}

/** Runs in the page; its answer is what the page found out. */
type Script = (aim: Aim) => string;

const bodyOf = ({ mark }: Aim) => JSON.stringify({ agent: "echo", task_id: mark, prompt: "hi" });
const answer = "(r) => r.type === 'opaque' ? 'unread' : String(r.status), () => 'failed'";

const postJson: Script = (aim) =>
  `fetch('${aim.target}/sessions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: ${JSON.stringify(bodyOf(aim))} }).then(${answer})`;
const postBlind =
  (type: string): Script =>
  (aim) =>
    `fetch('${aim.target}/sessions', { method: 'POST', mode: 'no-cors', headers: { 'content-type': '${type}' }, body: ${JSON.stringify(bodyOf(aim))} }).then(${answer})`;
const beacon: Script = (aim) =>
  `navigator.sendBeacon('${aim.target}/sessions', new Blob([${JSON.stringify(bodyOf(aim))}], { type: 'text/plain' })) ? 'sent' : 'failed'`;
const form =
  (enctype: string): Script =>
  (aim) =>
    `new Promise((resolve) => {
    const frame = document.createElement('iframe');
    frame.name = 'into';
    document.body.append(frame);
    const form = document.createElement('form');
    Object.assign(form, { method: 'POST', action: '${aim.target}/sessions', enctype: '${enctype}', target: 'into' });
    const field = document.createElement('input');
    field.name = ${JSON.stringify(bodyOf(aim).slice(0, -2))};
    field.value = '"}';
    form.append(field);
    document.body.append(form);
    frame.addEventListener('load', () => resolve('sent'), { once: true });
    form.submit();
  })`;

/** What of it came about. */
async function begun({ ground }: Street, mark: string): Promise<number> {
  return (await ground.daemon.get(`/sessions?task_id=${mark}`)).body.length;
}

/** How often the daemon has refused anything. */
async function refusals({ ground }: Street): Promise<number> {
  const { text } = await ground.daemon.get("/metrics");
  const counts = [...text.matchAll(/^agentruntime_requests_refused_total\{.*\} (\d+)$/gm)].map(([, count]) =>
    Number(count),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

async function run(street: Street, stand: Stand, script: Script): Promise<{ said: unknown; mark: string }> {
  const mark = randomUUID();
  const page = await street.browser.page(stand.page);
  try {
    const said = await page.evaluate(script({ target: stand.target, id: street.ground.id, mark }));
    return { said, mark };
  } finally {
    await page.close();
  }
}

/** Wants something done; whether the page can read the answer is another matter. `wouldSay`: where it is done. */
function act(name: string, stand: (street: Street) => Stand, script: Script, said: string, wouldSay: string): Row {
  const told = async (street: Street, from: Stand) => {
    const before = await refusals(street);
    const { said: found, mark } = await run(street, from, script);
    // Some scripts cannot tell whether what they sent has come: the daemon has answered it when it has refused or begun something.
    const isAnswered = async () => (await refusals(street)) > before || (await begun(street, mark)) > 0;
    await eventually(isAnswered, { what: "an answer of the daemon's" });
    return `${found}; ${await begun(street, mark)} sessions begun`;
  };
  return {
    name,
    meets: `${said}; 0 sessions begun`,
    attempt: (street) => told(street, stand(street)),
    control: {
      name: "at a server before it that asks neither for origin, host nor type",
      meets: `${wouldSay}; 1 sessions begun`,
      attempt: (street) => told(street, carefree(street, stand(street))),
    },
  };
}

const acts: Row[] = [
  act("`fetch` of JSON from another site", elsewhere, postJson, "failed", "201"),
  act("`fetch` of JSON from another port of this machine", nextDoor, postJson, "failed", "201"),
  act("`fetch` without CORS, as `text/plain`", elsewhere, postBlind("text/plain"), "failed", "unread"),
  act("the same from another port of this machine", nextDoor, postBlind("text/plain"), "failed", "201"),
  act("`sendBeacon`", elsewhere, beacon, "sent", "sent"),
  act("a form, as `text/plain`", elsewhere, form("text/plain"), "sent", "sent"),
  act("a form, url-encoded", elsewhere, form("application/x-www-form-urlencoded"), "sent", "sent"),
  act("a form, in parts", elsewhere, form("multipart/form-data"), "sent", "sent"),
  act("`fetch` of JSON from a name that was bound to the daemon", rebound, postJson, "403", "201"),
  act(
    "`fetch` of JSON from a sandboxed frame",
    elsewhere,
    (aim) => `new Promise((resolve) => {
      addEventListener('message', ({ data }) => resolve(data), { once: true });
      const frame = document.createElement('iframe');
      frame.sandbox = 'allow-scripts';
      frame.srcdoc = ${JSON.stringify(`<script>${postJson(aim)}.then((said) => parent.postMessage(said, '*'))</script>`).replaceAll("</", "<\\/")};
      document.body.append(frame);
    })`,
    "failed",
    "201",
  ),
];

/** Wants to know something. */
function look(name: string, stand: (street: Street) => Stand, script: Script, meets: string, seen: string): Row {
  return {
    name,
    meets,
    attempt: async (street) => String((await run(street, stand(street), script)).said),
    control: {
      name: "from a page of the daemon's own name",
      meets: seen,
      attempt: async (street) => String((await run(street, atHome(street), script)).said),
    },
  };
}

const list: Script = ({ target }) => `fetch('${target}/sessions').then(${answer})`;
const blindList: Script = ({ target }) =>
  `fetch('${target}/sessions', { mode: 'no-cors' }).then((r) => r.text()).then((text) => text.includes('session_id') ? 'read' : 'unread', () => 'failed')`;
const socket: Script = ({ target, id }) => `new Promise((resolve) => {
  const socket = new WebSocket('${target.replace("http", "ws")}/ws/sessions/${id}');
  socket.onmessage = () => { resolve('heard'); socket.close(); };
  socket.onerror = () => resolve('failed');
})`;
const events: Script = ({ target, id }) => `new Promise((resolve) => {
  const events = new EventSource('${target}/sessions/${id}/events?since=0');
  events.onmessage = () => { resolve('heard'); events.close(); };
  events.onerror = () => { resolve('failed'); events.close(); };
})`;
const element =
  (tag: string, attribute: string): Script =>
  ({ target, id }) =>
    `fetch('${target}/sessions/${id}', { mode: 'no-cors' }).then((r) => r.text(), () => '').then((text) => new Promise((resolve) => {
    const element = document.createElement('${tag}');
    element.onload = () => resolve('loaded');
    element.onerror = () => resolve(text.includes('session_id') ? 'read all the same' : 'failed');
    Object.assign(element, { ${attribute}: '${target}/sessions/${id}', rel: 'stylesheet' });
    document.body.append(element);
  }))`;

const looks: Row[] = [
  look("`fetch` of the list from another site", elsewhere, list, "failed", "200"),
  look("`fetch` of the list from another port of this machine", nextDoor, list, "failed", "200"),
  look("`fetch` of the list without CORS", elsewhere, blindList, "failed", "read"),
  look("a session as a script", elsewhere, element("script", "src"), "failed", "read all the same"),
  look("a session as a picture", elsewhere, element("img", "src"), "failed", "read all the same"),
  look("a session as a style sheet", elsewhere, element("link", "href"), "failed", "read all the same"),
  look("a WebSocket from another site", elsewhere, socket, "failed", "heard"),
  look("a WebSocket from another port of this machine", nextDoor, socket, "failed", "heard"),
  look("an `EventSource` from another site", elsewhere, events, "failed", "heard"),
  look("the list, from a name that was bound to the daemon", rebound, list, "403", "200"),
  look("a WebSocket, from a name that was bound to the daemon", rebound, socket, "failed", "heard"),
  look("an `EventSource`, from a name that was bound to the daemon", rebound, events, "failed", "heard"),
  look(
    "the daemon by 0.0.0.0",
    (street) => ({ ...elsewhere(street), target: `http://0.0.0.0:${port(street)}` }),
    blindList,
    "failed",
    "read",
  ),
];

const owned = "document.title = 'owned'";
const hostile = `<script>${owned}</script><img src=x onerror="${owned}"><svg onload="${owned}"></svg>`;

/** What an agent printed, opened by a person who was given its address. */
function shown(name: string, path: string): Row {
  const titleAt = async (street: Street, url: string) => {
    const page = await street.browser.page(url);
    try {
      return (await page.evaluate("document.title")) === "owned" ? "its script ran" : "no script ran";
    } finally {
      await page.close();
    }
  };
  return {
    name,
    meets: "no script ran",
    attempt: async (street) =>
      titleAt(street, `http://localhost:${port(street)}${path.replace(":id", await printed(street))}`),
    control: {
      name: "the same bytes as a page",
      meets: "its script ran",
      attempt: async (street) =>
        titleAt(street, `http://localhost:${street.relay.port}/bare${path.replace(":id", await printed(street))}`),
    },
  };
}

/** A session whose log has something to run. */
async function printed({ ground }: Street): Promise<string> {
  const { daemon } = ground;
  const { body } = await daemon.post("/sessions", { agent: "echo", prompt: hostile.replaceAll('"', "'") });
  const ended = async () => (await daemon.get(`/sessions/${body.session_id}`)).body.ended_at;
  await eventually(ended);
  return body.session_id;
}

const showing: Row[] = [
  shown("a script in what an agent printed, opened by its address", "/sessions/:id/logs"),
  shown("the same in a durable stream", "/sessions/:id/stream?offset=-1"),
  {
    name: "a frame around the console, for its buttons to be pressed unseen",
    meets: "nothing is shown",
    attempt: (street) => framed(street, `http://localhost:${port(street)}/`),
    control: {
      name: "the same page without its headers",
      meets: "it is shown",
      attempt: (street) => framed(street, `http://localhost:${street.relay.port}/bare/`),
    },
  },
  {
    name: "a frame around an answer",
    meets: "nothing is shown",
    attempt: (street) => framed(street, `http://localhost:${port(street)}/health`),
    control: {
      name: "the same answer without its headers",
      meets: "it is shown",
      attempt: (street) => framed(street, `http://localhost:${street.relay.port}/bare/health`),
    },
  },
];

/** Whether a page of another site that puts the address into a frame shows it. */
async function framed(street: Street, url: string): Promise<string> {
  const page = await street.browser.page(elsewhere(street).page);
  try {
    await page.evaluate(`new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.onload = () => resolve('');
      frame.src = '${url}';
      document.body.append(frame);
    })`);
    return (await page.frames()).includes(url) ? "it is shown" : "nothing is shown";
  } finally {
    await page.close();
  }
}

export const browsers: AttackGroup<Street> = {
  title: "Pages in Chromium",
  who: "the same page, in a real browser: what that sends, lets pass and shows is its own doing",
  isPossible: browserPath !== undefined,
  open: async () => {
    if (browserPath === undefined) throw new Error("there is no browser");
    const ground = await Ground.open({ args: ["--no-auth"] });
    await ground.daemon.post(`/sessions/${ground.id}/prompt`, { text: "something to hear" });
    return { ground, relay: await openRelay(ground.daemon.url), browser: await Browser.open(browserPath, [evil]) };
  },
  close: async ({ ground, relay, browser }) => {
    await browser.close();
    await relay.close();
    await ground.close();
  },
  attacks: [...acts, ...looks, ...showing],
};
