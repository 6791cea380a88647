/** Whoever may read, looking for what was told to the daemon and to nobody else. */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "../../support/eventually.ts";
import { allProcesses, sessionProcesses } from "../../support/processes.ts";
import { tempDir } from "../../support/temp-dir.ts";
import type { Attack, AttackGroup } from "./attack.ts";
import { Ground } from "./ground.ts";

interface Vault {
  ground: Ground;
  /** A session whose request had a secret in its environment. */
  id: string;
  /** One that has ended. */
  endedId: string;
}
type Row = Attack<Vault>;

/** Told in a request's `env`. */
const told = "told-in-the-request-5f1c";
/** In the daemon's own environment, and for no agent. */
const ambient = "of-the-daemon-alone-77aa";
/** In a prompt. */
const prompted = "said-to-the-agent-90be";
/** What the session is called. */
const called = "a-telling-name";

const found = (text: string, secret: string) => (text.includes(secret) ? "there" : "not there");

function environmentsOf(id: string): string {
  const pids = new Set(sessionProcesses(id));
  return allProcesses()
    .filter(({ pid }) => pids.has(pid))
    .map(({ environment }) => environment)
    .join("\n");
}

/** What may be read at the same place: the place is looked at, and what is looked for would be seen. */
interface Beside {
  what: string;
  word: string | ((vault: Vault) => string);
}
const wordOf = ({ word }: Beside, vault: Vault) => (typeof word === "string" ? word : word(vault));

/** Whether something secret is in what can be read at some place; the control looks for something else there. */
function hiddenIn(name: string, secret: string, read: (vault: Vault) => Promise<string>, beside: Beside): Row {
  return {
    name,
    meets: "not there",
    attempt: async (vault) => found(await read(vault), secret),
    control: {
      name: `${beside.what}, at the same place`,
      meets: "there",
      attempt: async (vault) => found(await read(vault), wordOf(beside, vault)),
    },
  };
}

const itsId: Beside = { what: "its session's id", word: ({ id }) => id };
const agentsName: Beside = { what: "the name of its agent", word: '"echo"' };
const itsName: Beside = { what: "what its session is called", word: called };

/** Whether a value of a request's `env` is in what can be read at some place. */
function toldIn(place: string, read: (vault: Vault) => Promise<string>, beside: Beside): Row {
  return hiddenIn(`a value of a request's \`env\` in ${place}`, told, read, beside);
}

const asked = (path: string) => async (vault: Vault) => {
  const { status, text } = await vault.ground.as("admin").get(path.replace(":id", vault.id));
  if (status !== 200) throw new Error(`${path} answered ${status}`);
  return text;
};

const inData = (name: string) => async (vault: Vault) =>
  (await readFile(join(vault.ground.daemon.dataDir, name.replace(":id", vault.id)))).toString("latin1");

const places: Readonly<Record<string, Beside>> = {
  "/sessions/:id": itsName,
  "/sessions/:id/info": itsName,
  "/sessions/:id/log": { what: "its prompt", word: prompted },
  "/sessions": itsName,
  "/sessions/history": { what: "the id of one with the same that has ended", word: ({ endedId }) => endedId },
  "/metrics": agentsName,
  "/agents": agentsName,
  "/health": agentsName,
  "/audit": itsId,
};

const values: Row[] = [
  {
    name: "a value of a request's `env` in another session's agent",
    meets: "not there",
    attempt: async ({ ground }) => found(environmentsOf(ground.id), told),
    control: {
      name: "in that of its own, for which it was told",
      meets: "there",
      attempt: async ({ id }) => found(environmentsOf(id), told),
    },
  },
  ...Object.entries(places).map(([path, beside]) => toldIn(`\`GET ${path}\``, asked(path), beside)),
  toldIn("`agentd ls --json`", async ({ ground }) => (await ground.daemon.cli("ls", "--json")).stdout, itsName),
  toldIn("the daemon's own log, at `debug`", async ({ ground }) => ground.daemon.output(), itsId),
  toldIn("`sessions/:id/session.json`", inData("sessions/:id/session.json"), itsName),
  toldIn(
    "`state.db` with its `-wal`",
    async (vault) => (await inData("state.db")(vault)) + (await inData("state.db-wal")(vault)),
    itsName,
  ),
  toldIn("`audit.ndjson`", inData("audit.ndjson"), itsId),
  toldIn("`audit-unchanged.ndjson`", inData("audit-unchanged.ndjson"), {
    what: "who was refused",
    word: "holder-write",
  }),
  toldIn(
    "any process's arguments",
    async () =>
      allProcesses()
        .map(({ commandLine }) => commandLine)
        .join("\n"),
    { what: "the data dir", word: ({ ground }) => ground.daemon.dataDir },
  ),
  {
    name: "a value of a request's `env` in the refusal of that request",
    meets: "not there",
    attempt: async ({ ground }) => {
      const env = { LD_PRELOAD: told, FOO: told };
      const { status, text } = await ground.as("write").post("/sessions", { agent: "echo", prompt: "x", env });
      return status === 400 ? found(text, told) : `it was not refused: ${status}`;
    },
    control: {
      name: "the name of the variable",
      meets: "there",
      attempt: async ({ ground }) => {
        const env = { LD_PRELOAD: told };
        return found(
          (await ground.as("write").post("/sessions", { agent: "echo", prompt: "x", env })).text,
          "LD_PRELOAD",
        );
      },
    },
  },
];

const keys: Row[] = [
  ...["SOME_API_KEY", "AGENTD_TOKEN"].map(
    (name): Row => ({
      name: `\`${name}\` of the daemon's environment in an agent's`,
      meets: "not there",
      attempt: async ({ ground, id }) => {
        const own = await readFile(`/proc/${ground.daemon.pid}/environ`, "utf8");
        return own.includes(`${name}=`) ? found(environmentsOf(id), `${name}=`) : "nor in the daemon's";
      },
      control: {
        name: "a variable of the request there",
        meets: "there",
        attempt: async ({ id }) => found(environmentsOf(id), "MY_PASSWORD="),
      },
    }),
  ),
  hiddenIn("the same values in the daemon's own log", ambient, async ({ ground }) => ground.daemon.output(), itsId),
];

const tokens: Row[] = [
  {
    name: "the daemon's token in any process's arguments or an agent's environment",
    meets: "not there",
    attempt: async (vault) => found(heldByProcesses(vault), vault.ground.daemon.token),
    control: {
      name: "what the agent was told, and the data dir, at the same places",
      meets: "there, there",
      attempt: async (vault) => {
        const all = heldByProcesses(vault);
        return `${found(all, told)}, ${found(all, vault.ground.daemon.dataDir)}`;
      },
    },
  },
  {
    name: "the daemon's token in `daemon.json`, which says where it listens",
    meets: "not there",
    attempt: async (vault) => found(await inData("daemon.json")(vault), vault.ground.daemon.token),
    control: {
      name: "its address",
      meets: "there",
      attempt: async (vault) => found(await inData("daemon.json")(vault), vault.ground.daemon.url),
    },
  },
  {
    name: "a named token in the list of tokens and in the audit log",
    meets: "not there",
    attempt: async (vault) =>
      found(`${await asked("/tokens")(vault)}${await asked("/audit")(vault)}`, vault.ground.tokens.read.slice(-43)),
    control: {
      name: "its name",
      meets: "there",
      attempt: async (vault) => found(await asked("/tokens")(vault), "holder-read"),
    },
  },
  {
    name: "a wrong token, in the answer and the daemon's log",
    meets: "not there",
    attempt: async ({ ground }) => {
      const wrong = "mistyped-token-3c9d";
      const response = await fetch(`${ground.daemon.url}/sessions`, { headers: { authorization: `Bearer ${wrong}` } });
      return found(`${await response.text()}${ground.daemon.output()}`, wrong);
    },
    control: {
      name: "a wrong agent, in the answer",
      meets: "there",
      attempt: async ({ ground }) => {
        const { text } = await ground.as("write").post("/sessions", { agent: "mistyped-agent", prompt: "x" });
        return found(text, "mistyped-agent");
      },
    },
  },
];

function heldByProcesses({ id }: Vault): string {
  const commands = allProcesses().map(({ commandLine }) => commandLine);
  return [...commands, environmentsOf(id)].join("\n");
}

const words: Row[] = [
  hiddenIn("a prompt in `GET /audit`", prompted, asked("/audit"), itsId),
  hiddenIn("a prompt in `GET /metrics`", prompted, asked("/metrics"), agentsName),
  hiddenIn(
    "a prompt in the daemon's own log, at `debug`",
    prompted,
    async ({ ground }) => ground.daemon.output(),
    itsId,
  ),
  hiddenIn("what a session is called, in `GET /metrics`", called, asked("/metrics"), agentsName),
  {
    name: "a fault of a body, in the daemon's log",
    meets: "not there",
    attempt: async ({ ground }) => {
      await ground.as("write").post("/sessions", undefined, { raw: `{"prompt": ${prompted}}` });
      return found(ground.daemon.output(), prompted);
    },
    control: {
      name: "its session's id, at the same place",
      meets: "there",
      attempt: async ({ ground, id }) => found(ground.daemon.output(), id),
    },
  },
];

/** Told in a chat's configuration. */
const toldToChat = "told-in-the-chat-33d0";

const chatConfig = {
  agent: "claude",
  env: { MY_PASSWORD: toldToChat },
  mcp_servers: [{ name: "m", url: "http://127.0.0.1:1/", token: toldToChat }],
  claude: { settings_json: { apiKeyHelper: toldToChat } },
};

const readChat = async (vault: Vault, path: string) => {
  await vault.ground.as("write").post("/chats", { name: "kept", config: chatConfig });
  return asked(path)(vault);
};

const ofChats: Row[] = (
  [
    ["/chats", "its agent", "claude"],
    ["/chats/kept", "the name of the variable", "MY_PASSWORD"],
    ["/chats/kept/export", "the name of the variable", "MY_PASSWORD"],
    ["/audit", "the chat's name", "kept"],
  ] as const
).map(
  ([path, what, word]): Row => ({
    name: `keys in a chat's configuration, in \`GET ${path}\``,
    meets: "not there",
    attempt: async (vault) => found(await readChat(vault, path), toldToChat),
    control: {
      name: `${what}, at the same place`,
      meets: "there",
      attempt: async (vault) => found(await readChat(vault, path), word),
    },
  }),
);

const modes: Row[] = [
  {
    name: "a file or folder of the data dir that another user could read",
    meets: "none",
    attempt: async ({ ground }) => {
      const open = await openToOthers(ground.daemon.dataDir);
      // Put there by the test before the daemon was started.
      return open.filter((name) => name !== "config-of-test.json").length === 0 ? "none" : open.join(", ");
    },
    control: {
      name: "one that is made as programs make files",
      meets: "file",
      attempt: async () => {
        const dir = await tempDir();
        await writeFile(join(dir.path, "file"), "", { mode: 0o644 });
        const open = await openToOthers(dir.path);
        await dir.remove();
        return open.join(", ");
      },
    },
  },
];

async function openToOthers(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  const open = await Promise.all(
    names.map(async (name) => {
      // Some come and go meanwhile.
      const found = await stat(join(folder, name)).catch(() => undefined);
      return found !== undefined && (found.mode & 0o077) !== 0 ? [name] : [];
    }),
  );
  return open.flat();
}

async function openVault(): Promise<Vault> {
  const ground = await Ground.open({
    env: { SOME_API_KEY: ambient, AGENTD_TOKEN: ambient },
    args: ["--log-level", "debug"],
  });
  const writer = ground.as("write");
  const env = { MY_PASSWORD: told };
  const { body } = await writer.post("/sessions", {
    agent: "echo",
    interactive: true,
    name: called,
    prompt: prompted,
    env,
  });
  const log = async () => (await ground.daemon.get(`/sessions/${body.session_id}/logs`)).text;
  await eventually(async () => (await log()).includes(`echo: ${prompted}`), { what: "the agent's start" });
  const endedId = (await writer.post("/sessions", { agent: "echo", prompt: "hi", env })).body.session_id;
  await eventually(async () => (await ground.daemon.get(`/sessions/${endedId}`)).body.ended_at);
  // Refused, so that there is something to be written down of that too.
  await writer.post("/sessions", { agent: "none", prompt: "hi", env });
  await eventually(async () => (await ground.daemon.get("/audit")).text.includes("unknown_agent"));
  return { ground, id: body.session_id, endedId };
}

export const secrets: AttackGroup<Vault> = {
  title: "Secrets",
  who: "whoever may read everything, files of the data dir included, looking for what was told to an agent or to the daemon alone",
  open: openVault,
  close: ({ ground }) => ground.close(),
  attacks: [...values, ...keys, ...tokens, ...words, ...ofChats, ...modes],
};
