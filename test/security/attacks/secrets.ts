/** Whoever may read, looking for what was told to the daemon and to nobody else. */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "../../support/eventually.ts";
import { allProcesses, sessionProcesses } from "../../support/processes.ts";
import { tempDir } from "../../support/temp-dir.ts";
import type { Attack, AttackGroup, Control } from "./attack.ts";
import { Ground } from "./ground.ts";

interface Vault {
  ground: Ground;
  /** A session whose request had a secret in its environment. */
  id: string;
}
type Row = Attack<Vault>;

/** Told in a request's `env`. */
const told = "told-in-the-request-5f1c";
/** In the daemon's own environment, and for no agent. */
const ambient = "of-the-daemon-alone-77aa";
/** In a prompt. */
const prompted = "said-to-the-agent-90be";

const found = (text: string, secret: string) => (text.includes(secret) ? "there" : "not there");

const inAgent: Control<Vault> = {
  name: "in the agent's environment, for which it was told",
  meets: "there",
  attempt: async ({ id }) => found(environmentsOf(id), told),
};

function environmentsOf(id: string): string {
  const pids = new Set(sessionProcesses(id));
  return allProcesses()
    .filter(({ pid }) => pids.has(pid))
    .map(({ environment }) => environment)
    .join("\n");
}

/** Whether a value of a request's `env` is in what can be read at some place. */
function toldIn(place: string, read: (vault: Vault) => Promise<string>): Row {
  return {
    name: `a value of a request's \`env\` in ${place}`,
    meets: "not there",
    attempt: async (vault) => {
      const text = await read(vault);
      // Nothing at all would have nothing in it.
      return text.length < 2 ? "there is nothing to read" : found(text, told);
    },
    control: inAgent,
  };
}

const asked = (path: string) => async (vault: Vault) => {
  const { status, text } = await vault.ground.as("admin").get(path.replace(":id", vault.id));
  if (status !== 200) throw new Error(`${path} answered ${status}`);
  return text;
};

const inData = (name: string) => async (vault: Vault) =>
  (await readFile(join(vault.ground.daemon.dataDir, name.replace(":id", vault.id)))).toString("latin1");

const values: Row[] = [
  ...[
    "/sessions/:id",
    "/sessions/:id/info",
    "/sessions/:id/log",
    "/sessions",
    "/sessions/history",
    "/metrics",
    "/agents",
    "/health",
    "/audit",
  ].map((path) => toldIn(`\`GET ${path}\``, asked(path))),
  toldIn("`agentd ls --json`", async ({ ground }) => (await ground.daemon.cli("ls", "--json")).stdout),
  toldIn("the daemon's own log, at `debug`", async ({ ground }) => ground.daemon.output()),
  ...["sessions/:id/session.json", "state.db", "state.db-wal", "audit.ndjson"].map((name) =>
    toldIn(`\`${name}\``, inData(name)),
  ),
  toldIn("any process's arguments", async () =>
    allProcesses()
      .map(({ commandLine }) => commandLine)
      .join("\n"),
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

const inDaemon: Control<Vault> = {
  name: "in the daemon's environment",
  meets: "there",
  attempt: async ({ ground }) => found(await readFile(`/proc/${ground.daemon.pid}/environ`, "utf8"), ambient),
};

const keys: Row[] = [
  ...["SOME_API_KEY", "AGENTD_TOKEN"].map(
    (name): Row => ({
      name: `\`${name}\` of the daemon's environment in an agent's`,
      meets: "not there",
      attempt: async ({ id }) => found(environmentsOf(id), `${name}=`),
      control: {
        name: "in the daemon's",
        meets: "there",
        attempt: async ({ ground }) => found(await readFile(`/proc/${ground.daemon.pid}/environ`, "utf8"), `${name}=`),
      },
    }),
  ),
  {
    name: "the same values in the daemon's own log",
    meets: "not there",
    attempt: async ({ ground }) => found(ground.daemon.output(), ambient),
    control: inDaemon,
  },
];

const tokens: Row[] = [
  {
    name: "the daemon's token in any process's arguments or an agent's environment",
    meets: "not there",
    attempt: async ({ ground, id }) => {
      const commands = allProcesses().map(({ commandLine }) => commandLine);
      return found([...commands, environmentsOf(id)].join("\n"), ground.daemon.token);
    },
    control: {
      name: "in its file",
      meets: "there",
      attempt: async (vault) => found(await inData("token")(vault), vault.ground.daemon.token),
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

const words: Row[] = [
  ...["/audit", "/metrics"].map(
    (path): Row => ({
      name: `a prompt in \`GET ${path}\``,
      meets: "not there",
      attempt: async (vault) => found(await asked(path)(vault), prompted),
      control: {
        name: "in its session's log",
        meets: "there",
        attempt: async (vault) => found(await asked("/sessions/:id/log")(vault), prompted),
      },
    }),
  ),
  {
    name: "a prompt in the daemon's own log, at `debug`",
    meets: "not there",
    attempt: async ({ ground }) => found(ground.daemon.output(), prompted),
    control: {
      name: "in its session's log",
      meets: "there",
      attempt: async (vault) => found(await asked("/sessions/:id/log")(vault), prompted),
    },
  },
  {
    name: "what a session is called, in `GET /metrics`",
    meets: "not there",
    attempt: async (vault) => found(await asked("/metrics")(vault), "a-telling-name"),
    control: {
      name: "in the list",
      meets: "there",
      attempt: async (vault) => found(await asked("/sessions")(vault), "a-telling-name"),
    },
  },
  {
    name: "a fault of a body, in the daemon's log",
    meets: "not there",
    attempt: async ({ ground }) => {
      await ground.as("write").post("/sessions", undefined, { raw: `{"prompt": ${prompted}}` });
      return found(ground.daemon.output(), prompted);
    },
    control: {
      name: "what was refused, by its code, in `GET /metrics`",
      meets: "there",
      attempt: async (vault) => found(await asked("/metrics")(vault), "invalid_json"),
    },
  },
];

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
  const { body } = await ground.as("write").post("/sessions", {
    agent: "echo",
    interactive: true,
    name: "a-telling-name",
    prompt: prompted,
    env: { MY_PASSWORD: told },
  });
  const log = async () => (await ground.daemon.get(`/sessions/${body.session_id}/logs`)).text;
  await eventually(async () => (await log()).includes(`echo: ${prompted}`), { what: "the agent's start" });
  return { ground, id: body.session_id };
}

export const secrets: AttackGroup<Vault> = {
  title: "Secrets",
  who: "whoever may read everything, files of the data dir included, looking for what was told to an agent or to the daemon alone",
  open: openVault,
  close: ({ ground }) => ground.close(),
  attacks: [...values, ...keys, ...tokens, ...words, ...modes],
};
