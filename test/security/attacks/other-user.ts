/**
 * Another user of this machine, by a real second account: needs root to make one. Each control is the same act of the same account,
 * on something that is there for everybody.
 */
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { claudeBinary } from "../../support/claude-binary.ts";
import { results } from "../../support/claude-daemon.ts";
import { allProcesses, sessionProcesses } from "../../support/processes.ts";
import { readLog } from "../../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../../support/scripted-model.ts";
import { type Daemon, startDaemon } from "../../support/start-daemon.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";
import type { Attack, AttackGroup } from "./attack.ts";

const account = `agentd-test-${process.pid}`;
const key = "key-of-the-operator-8f2c";
const mcpToken = "token-of-a-tool-server-77aa";
const secretOfRequest = "secret-of-the-request-5b1d";

interface Account {
  uid: number;
  gid: number;
}

interface House {
  other: Account;
  dir: TempDir;
  /** In a data dir that everybody may enter, as wide as an operator could have left it: what is in it must hold by itself. */
  daemon: Daemon;
  onSocket: Daemon;
  model: ScriptedModel;
  publicSocket: Server;
  session: { token: string; socket: string };
  /** The processes that hold secrets, by what they are. */
  holders: Record<string, number>;
}
type Row = Attack<House>;
type Act = "read" | "list" | "write" | "connect" | "signal";

const ofAll = "public";

function connecting(whose: string, path: (house: House) => string): Row {
  return {
    name: `to connect to ${whose}`,
    meets: "EACCES",
    attempt: async (house) =>
      (await stat(path(house))).isSocket() ? asOther(house, "connect", path(house)) : "it is no socket",
    control: {
      name: "to one beside it that is for everybody",
      meets: "CAUGHT",
      attempt: (house) => asOther(house, "connect", join(house.dir.path, "public.sock")),
    },
  };
}

const sockets: Row[] = [
  connecting("the daemon's Unix socket", ({ dir }) => join(dir.path, "agentd.sock")),
  connecting("a sidecar", ({ session }) => session.socket),
  connecting("a key keeper", ({ session }) => join(dirname(session.socket), "k")),
];

const kinds = [
  ...["token", "state.db", "audit.ndjson", "events.ndjson", "session.json", "sidecar.json"],
  ...["home/.claude", "work/left-here"],
];

const files: Row[] = [
  ...kinds.map(
    (kind): Row => ({
      name: `to read \`${kind}\``,
      meets: "EACCES",
      attempt: async (house) => {
        const { files } = await everythingIn(house.daemon.dataDir);
        const found = files.filter((path) => path.includes(`/${kind}`));
        return found.length === 0 ? "there is none" : each(await asOther(house, "read", ...found));
      },
      control: {
        name: "a file beside the data dir that is for everybody",
        meets: "CAUGHT",
        attempt: async (house) => each(await asOther(house, "read", join(house.dir.path, ofAll))),
      },
    }),
  ),
  {
    name: "to read any file at all of the data dir",
    meets: "EACCES",
    attempt: async (house) => each(await asOther(house, "read", ...(await everythingIn(house.daemon.dataDir)).files)),
    control: {
      name: "its configuration, which the operator left open",
      meets: "{}",
      attempt: async (house) => each(await asOther(house, "read", join(house.daemon.dataDir, "open.json"))),
    },
  },
  {
    name: "to list any folder of the data dir",
    meets: "EACCES",
    attempt: async (house) => each(await asOther(house, "list", ...(await everythingIn(house.daemon.dataDir)).folders)),
    control: {
      name: "the data dir itself, which the operator left open",
      meets: "`token` is there",
      attempt: async (house) =>
        (await asOther(house, "list", house.daemon.dataDir)).split(" ").includes("token")
          ? "`token` is there"
          : "it is not",
    },
  },
  {
    name: "to write into files and folders of the data dir",
    meets: "EACCES",
    attempt: async (house) => {
      const { files, folders } = await everythingIn(house.daemon.dataDir);
      return each(await asOther(house, "write", ...files.slice(0, 20), ...folders.map((path) => join(path, "new"))));
    },
    control: {
      name: "into a folder that is for everybody",
      meets: "done",
      attempt: async (house) => each(await asOther(house, "write", join(house.dir.path, "drop", "new"))),
    },
  },
];

/** What is in /proc of a process that is the account's own. */
const ownEntries: Readonly<Record<string, string>> = {
  environ: "CAUGHT",
  // It may be opened; where nothing lies there is nothing to read.
  mem: "EIO",
  maps: "read",
  "cwd/public": "CAUGHT",
  fd: "read",
  "root/etc/hostname": "read",
};

const entries: Row[] = Object.entries(ownEntries).map(([entry, meets]) => {
  const act: Act = entry === "fd" ? "list" : "read";
  return {
    name: `to read \`/proc/PID/${entry.replace("public", "…")}\` of daemon, sidecar, agent and keeper`,
    meets: "refused",
    attempt: async (house) => {
      const paths = Object.values(house.holders).map((pid) => `/proc/${pid}/${entry}`);
      const told = (await asOther(house, act, ...paths)).split("\n");
      return told.length === 4 && told.every((word) => word === "EACCES" || word === "EPERM") ? "refused" : told.join();
    },
    control: {
      name: "of a process of its own",
      meets,
      attempt: (house) =>
        besideOwn(house, async (pid) => {
          const told = await asOther(house, act, `/proc/${pid}/${entry}`);
          if (told.includes("CAUGHT")) return "CAUGHT";
          return /^E[A-Z]+$/.test(told) || told === "" ? told : "read";
        }),
    },
  };
});

const processes: Row[] = [
  {
    name: "to signal daemon, sidecar, agent and keeper",
    meets: "EPERM",
    attempt: async (house) => each(await asOther(house, "signal", ...Object.values(house.holders).map(String))),
    control: {
      name: "a process of its own",
      meets: "done",
      attempt: (house) => besideOwn(house, (pid) => asOther(house, "signal", String(pid))),
    },
  },
  {
    name: "to find a token, key, prompt or secret in command lines, which are for everybody to read",
    meets: "none",
    attempt: async (house) => {
      const told = await commandLines(house);
      const secrets = [
        house.daemon.token,
        house.session.token,
        key,
        mcpToken,
        secretOfRequest,
        "a prompt in confidence",
      ];
      const found = secrets.filter((secret) => told.includes(secret));
      return found.length === 0 ? "none" : found.join();
    },
    control: {
      name: "the daemon's program, the data dir, and the tool server's name",
      meets: "all",
      attempt: async (house) => {
        const told = await commandLines(house);
        return ["agentd.js", house.daemon.dataDir].every((word) => told.includes(word)) ? "all" : told;
      },
    },
  },
];

async function commandLines(house: House): Promise<string> {
  const pids = allProcesses().map(({ pid }) => pid);
  return asOther(house, "read", ...pids.map((pid) => `/proc/${pid}/cmdline`));
}

/** The different things that were told, a line each, as one. */
function each(told: string): string {
  return [...new Set(told.split("\n"))].join(", ");
}

async function besideOwn(house: House, act: (pid: number) => Promise<string>): Promise<string> {
  const own = execa("sleep", ["60"], {
    ...house.other,
    cwd: house.dir.path,
    env: { OWN: "CAUGHT" },
    extendEnv: false,
    reject: false,
  });
  try {
    return await act(own.pid ?? 0);
  } finally {
    own.kill();
    await own;
  }
}

async function openHouse(): Promise<House> {
  await execa("useradd", ["--no-create-home", "--shell", "/usr/sbin/nologin", account]);
  const idOf = async (flag: string) => Number((await execa("id", [flag, account])).stdout);
  const other = { uid: await idOf("-u"), gid: await idOf("-g") };
  const dir = await tempDir();
  const model = await startScriptedModel();
  const dataDir = join(dir.path, "data");
  for (const folder of [dataDir, join(dir.path, "drop")]) await mkdir(folder);
  for (const folder of [dataDir, dir.path, dirname(dir.path)]) await chmod(folder, 0o755);
  await chmod(join(dir.path, "drop"), 0o777);
  await writeFile(join(dir.path, ofAll), "CAUGHT", { mode: 0o644 });
  const publicSocket = createServer((connection) => connection.end("CAUGHT"));
  await new Promise<void>((resolve) => publicSocket.listen(join(dir.path, "public.sock"), resolve));
  await chmod(join(dir.path, "public.sock"), 0o666);
  const claude = { command: claudeBinary(), key_env: "OPERATORS_KEY", base_url: model.url, hide_key: true };
  const daemon = await startDaemon({
    config: { agents: { claude, shell: { command: "/bin/sh" } } },
    env: { OPERATORS_KEY: key },
    dataDir,
  });
  await writeFile(join(dataDir, "open.json"), "{}", { mode: 0o644 });
  const onSocket = await startDaemon({ args: ["--listen", `unix:${join(dir.path, "agentd.sock")}`] });
  return { other, dir, daemon, onSocket, model, publicSocket, ...(await openSession(daemon)) };
}

/** A session of the real Claude Code with everything secret that there is, and one that has left a file. */
async function openSession(daemon: Daemon): Promise<Pick<House, "session" | "holders">> {
  const { body: left } = await daemon.post("/sessions", { agent: "shell", prompt: "echo CAUGHT > left-here" });
  await readLog(daemon, left.session_id);
  const { status, body, text } = await daemon.post("/sessions", {
    agent: "claude",
    interactive: true,
    keep_raw: true,
    agent_home: "private",
    prompt: "a prompt in confidence",
    env: { SERVICE_TOKEN: secretOfRequest },
    mcp_servers: [{ name: "lab", url: "http://127.0.0.1:9/mcp", token: mcpToken }],
  });
  if (status !== 201) throw new Error(`no session: ${text}`);
  const id = String(body.session_id);
  await readLog(daemon, id, { enough: (events) => results(events).length > 0, deadlineMs: 90_000 });
  const folder = join(daemon.dataDir, "sessions", id);
  const { sidecar: address } = JSON.parse(await readFile(join(folder, "session.json"), "utf8"));
  const session = { token: address.token, socket: address.socket_path };
  const { pid } = JSON.parse(await readFile(join(folder, "sidecar.json"), "utf8"));
  const keeper = allProcesses().find(({ commandLine, environment }) =>
    `${commandLine} ${environment}`.includes("keeper.js"),
  );
  return {
    session,
    holders: { daemon: daemon.pid, sidecar: pid, agent: sessionProcesses(id)[0] ?? 0, keeper: keeper?.pid ?? 0 },
  };
}

/** What the other user got of each, a line each: what was there, `done`, or why not. */
async function asOther({ other }: Pick<House, "other">, act: Act, ...subjects: string[]): Promise<string> {
  const { stdout } = await execa(process.execPath, ["-e", tries, act, ...subjects], {
    ...other,
    cwd: "/",
    env: {},
    extendEnv: false,
  });
  return stdout;
}

const tries = `
const { appendFileSync, readFileSync, readdirSync } = require("node:fs");
const [act, ...subjects] = process.argv.slice(1);
const connect = (path) => new Promise((resolve, reject) => {
  const socket = require("node:net").connect(path).on("error", reject);
  socket.on("data", (data) => resolve(String(data))).on("end", () => resolve("closed"));
});
const acts = {
  read: (path) => readFileSync(path, "latin1"),
  list: (path) => readdirSync(path).join(" "),
  write: (path) => (appendFileSync(path, "x"), "done"),
  signal: (pid) => (process.kill(Number(pid), 0), "done"),
  connect,
};
(async () => {
  for (const subject of subjects)
    console.log(await Promise.resolve().then(() => acts[act](subject)).catch(({ code }) => code));
})();
`;

async function everythingIn(folder: string): Promise<{ files: string[]; folders: string[] }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = (wanted: (typeof entries)[number][]) => wanted.map(({ parentPath, name }) => join(parentPath, name));
  return {
    // Those that the operator, here the test, put there.
    files: paths(
      entries.filter((entry) => entry.isFile() && entry.name !== "config-of-test.json" && entry.name !== "open.json"),
    ),
    folders: paths(entries.filter((entry) => entry.isDirectory())),
  };
}

export const otherUser: AttackGroup<House> = {
  title: "Another user of this machine",
  who: "a second account with a shell; the data dir's own folder is open to all, as an operator may have left it",
  isPossible: process.getuid?.() === 0 && process.platform === "linux",
  open: openHouse,
  close: async ({ onSocket, daemon, model, publicSocket, dir }) => {
    await onSocket.stop();
    await daemon.stop();
    await model.close();
    await new Promise((resolve) => publicSocket.close(resolve));
    await dir.remove();
    await execa("userdel", [account]);
  },
  attacks: [...sockets, ...files, ...entries, ...processes],
};
