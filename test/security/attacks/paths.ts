/** Whoever may begin sessions, and wants one where, or as, it may not be. */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";
import type { Attack, AttackGroup, Control } from "./attack.ts";
import { answered, fixture, Ground } from "./ground.ts";
import { statusesOf } from "./raw.ts";

interface House {
  ground: Ground;
  dir: TempDir;
  /** The home of whoever runs the daemon. */
  home: string;
}
type Row = Attack<House>;

const begins = async ({ ground }: House, more: Record<string, unknown>) =>
  answered(await ground.as("write").post("/sessions", { agent: "echo", prompt: "hi", ...more }));

const inProject: Control<House> = {
  name: "a project's folder",
  meets: "201",
  attempt: (house) => begins(house, { work_dir: join(house.home, "project") }),
};

function place(name: string, path: (house: House) => string): Row {
  return {
    name: `to work in ${name}`,
    meets: "400 `invalid_work_dir`",
    attempt: (house) => begins(house, { work_dir: path(house) }),
    control: inProject,
  };
}

/** Folders of a home that hold keys and logins. */
const ofKeys = [
  ".ssh",
  ".gnupg",
  ".aws",
  ".kube",
  ".docker",
  ".claude",
  ".codex",
  ".config/gh",
  ".config/gcloud",
  ".password-store",
];

const at = (path: string) => (house: House) => join(house.home, path);
const places: Row[] = [
  ...ofKeys.map((path) => place(`\`~/${path}\``, at(path))),
  place("a folder below `~/.ssh`", at(".ssh/keys")),
  place("the home itself, which holds them", at("")),
  place("`~/.SSH`, where case is nothing", at(".SSH")),
  place("the data dir", ({ ground }) => ground.daemon.dataDir),
  place("another session's folder", ({ ground }) => join(ground.daemon.dataDir, "sessions", ground.id)),
  place("the folder above the data dir", ({ ground }) => join(ground.daemon.dataDir, "..")),
  place("`/`", () => "/"),
  place("`/etc`", () => "/etc"),
  place("`/proc/self/root`", () => "/proc/self/root"),
  place("a home by `/proc/self/root`", ({ home }) => `/proc/self/root${home}/project`),
  place("the daemon's own folder, by `/proc/self/cwd`", () => "/proc/self/cwd"),
  place("a link to `~/.ssh`", at("link-to-ssh")),
  place("a folder behind a link to the home", at("link-to-home/project")),
  place("`project/../.ssh`", ({ home }) => `${home}/project/../.ssh`),
  place("a path that goes up and comes back", ({ home }) => `${home}/project/../project`),
  place("a relative path", () => "project"),
  place("a path with NUL", ({ home }) => `${home}/project\0/../.ssh`),
  place("a path of 100,000 characters", ({ home }) => `${home}/${"x/".repeat(50_000)}`),
  place("a file", at("file")),
];

/** A field of a request, refused; the same request with another value, or without it, is taken. */
function field(name: string, fields: Record<string, unknown>, meets: string, control?: Record<string, unknown>): Row {
  // The same agent: another could take what this one does not.
  const without = fields["agent"] === "stand-in" ? { agent: "stand-in" } : {};
  return {
    name,
    meets,
    attempt: (house) => begins(house, fields),
    control: {
      name: control === undefined ? "without it" : "another value",
      meets: "201",
      attempt: (house) => begins(house, control ?? without),
    },
  };
}

const invalid = "400 `invalid_request`";
const names: Row[] = [
  field("a session id that is a path", { session_id: "../../x" }, "400 `invalid_session_id`"),
  field(
    "a session id with a path behind it",
    { session_id: "11111111-0000-4000-8000-000000000000/../x" },
    "400 `invalid_session_id`",
  ),
  field("a name that is a path", { name: "../x" }, invalid, { name: "x" }),
  field("a name of dots", { name: ".." }, invalid, { name: "y" }),
  field("a name that is a route", { name: "history" }, invalid, { name: "history-1" }),
  field("an agent that is a program", { agent: "/bin/sh" }, "400 `unknown_agent`"),
  field("an agent that every object has", { agent: "constructor" }, "400 `unknown_agent`"),
  field("a runtime that the operator did not enable", { runtime: "docker" }, "400 `unknown_runtime`", {
    runtime: "local",
  }),
  field("a runtime that every object has", { runtime: "constructor" }, "400 `unknown_runtime`", { runtime: "local" }),
  field("a team", { team: { name: "../x" } }, "400 `unsupported_by_agent`"),
];

const chats = async ({ ground }: House, name: string, more: Record<string, unknown> = {}) =>
  answered(await ground.as("write").post("/chats", { name, config: { agent: "stand-in", ...more } }));

/** A chat that is refused; another is made. */
function chat(what: string, meets: string, attempt: (house: House) => Promise<string>, made: string): Row {
  return {
    name: what,
    meets,
    attempt,
    control: { name: "another", meets: "201", attempt: (house) => chats(house, made) },
  };
}

const ofChats: Row[] = [
  chat("a chat whose name is a path", invalid, (house) => chats(house, "../../x"), "made-1"),
  chat(
    "a chat whose name is a path in an escape",
    "404 `chat_not_found`",
    ({ ground }) => ground.outcome({ path: "/chats/..%2f..%2fx/messages", headers: ground.bearer("read") }),
    "made-2",
  ),
  chat(
    "a chat that is to work among keys",
    "400 `invalid_work_dir`",
    (house) => chats(house, "x", { work_dir: join(house.home, ".ssh") }),
    "made-3",
  ),
  chat(
    "a chat with `LD_PRELOAD`",
    "400 `env_key_reserved`",
    (house) => chats(house, "x", { env: { LD_PRELOAD: "/x" } }),
    "made-4",
  ),
  chat(
    "an import that has a chat work among keys",
    "400 `invalid_work_dir`",
    async ({ ground, home }) => {
      const head = { type: "chat", version: 1, name: "x", created_at: "", config: { agent: "stand-in" } };
      const body = { export: JSON.stringify(head), work_dir: join(home, ".ssh") };
      return answered(await ground.as("write").post("/chats/import", body));
    },
    "made-5",
  ),
];

const programs: Row[] = [
  field("a command line", { command: ["sh", "-c", "id"] }, invalid),
  field("arguments for the agent's program", { args: ["-c", "id"] }, invalid),
  field("a program to run around the agent", { lifecycle: { pre_init: ["id"] } }, "400 `unsupported_by_agent`"),
  field(
    "a folder of this machine in a container that is none",
    { mounts: [{ host: "/", container: "/host" }] },
    "400 `unsupported_by_runtime`",
  ),
  field("a volume in a container that is none", { volumes: ["/:/host"] }, "400 `unsupported_by_runtime`"),
  field(
    "the login of a person",
    { agent: "stand-in", claude: { credentials_path: "/root/.claude/.credentials.json" } },
    "400 `unsupported_by_runtime`",
  ),
  field(
    "a folder to remember in",
    { agent: "stand-in", claude: { memory_path: "/root/.ssh" } },
    "400 `unsupported_by_runtime`",
  ),
  field("a model that is a flag", { agent: "stand-in", model: "--dangerously-skip-permissions" }, invalid, {
    agent: "stand-in",
    model: "m",
  }),
  field(
    "a tool whose name is a flag",
    { agent: "stand-in", claude: { allowed_tools: ["--mcp-config=/tmp/x"] } },
    invalid,
    {
      agent: "stand-in",
      claude: { allowed_tools: ["Bash"] },
    },
  ),
  field("a conversation whose id is a flag", { agent: "stand-in", resume_session: "--settings=/tmp/x" }, invalid),
  field(
    "a tool server that is a program, where a person is to decide on tools",
    { agent: "stand-in", permission_mode: "interactive", mcp_servers: [{ name: "x", cmd: ["id"] }] },
    "403 `executable_forbidden`",
    { agent: "stand-in", permission_mode: "interactive" },
  ),
  field(
    "a hook in the agent's own settings, where a person is to decide on tools",
    { agent: "stand-in", permission_mode: "interactive", claude: { settings_json: { hooks: {} } } },
    "403 `executable_forbidden`",
    { agent: "stand-in", permission_mode: "interactive", claude: { settings_json: { language: "en" } } },
  ),
  field(
    "an environment in the agent's own settings",
    { agent: "stand-in", claude: { settings_json: { env: { A: "b" } } } },
    invalid,
  ),
  field(
    "an address for keys in the agent's own settings",
    { agent: "stand-in", claude: { settings_json: { x: { base_url: "http://evil.example" } } } },
    invalid,
  ),
];

/** Variables that change how programs load, or where they send keys. */
function variable(key: string, value: string): Row {
  return {
    name: `\`${key}\` in the environment`,
    meets: "400 `env_key_reserved`",
    attempt: (house) => begins(house, { env: { [key]: value } }),
    control: {
      name: "a variable of no meaning",
      meets: "201",
      attempt: (house) => begins(house, { env: { FOO: value } }),
    },
  };
}

const variables: Row[] = [
  ...Object.entries({
    LD_PRELOAD: "/tmp/x.so",
    DYLD_INSERT_LIBRARIES: "/tmp/x.dylib",
    NODE_OPTIONS: "--require=/tmp/x.js",
    BASH_ENV: "/tmp/x",
    PYTHONSTARTUP: "/tmp/x.py",
    GIT_SSH_COMMAND: "id",
    PATH: "/tmp",
    HOME: "/tmp",
    HTTPS_PROXY: "http://evil.example",
    ANTHROPIC_BASE_URL: "http://evil.example",
    CLAUDE_CONFIG_DIR: "/tmp",
    CODEX_REFRESH_TOKEN_URL_OVERRIDE: "http://evil.example",
    CODEX_CA_CERTIFICATE: "/tmp/x.pem",
    CODEX_EXEC_SERVER_URL: "ws://evil.example",
    RIPGREP_CONFIG_PATH: "/tmp/x",
    TAR_OPTIONS: "--to-command=id",
    SVN_SSH: "id",
    RSYNC_RSH: "id",
    HGRCPATH: "/tmp/x",
    PSQLRC: "/tmp/x",
    SUDO_EDITOR: "id",
    GH_HOST: "evil.example",
    GH_CONFIG_DIR: "/tmp",
    GOOGLE_APPLICATION_CREDENTIALS: "/tmp/x.json",
    GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES: "1",
    OLLAMA_HOST: "http://evil.example",
    GLOBAL_AGENT_HTTP_PROXY: "http://evil.example",
    VIMINIT: "!id",
    AGENTRUNTIME_SESSION_ID: "another",
    "FOO=1\nLD_PRELOAD": "/tmp/x.so",
  }).map(([key, value]) => variable(key, value)),
  {
    name: "`LD_PRELOAD` in the environment of a tool server",
    meets: "400 `env_key_reserved`",
    attempt: (house) => begins(house, { agent: "stand-in", mcp_servers: [serverWith("LD_PRELOAD")] }),
    control: {
      name: "a variable of no meaning",
      meets: "201",
      attempt: (house) => begins(house, { agent: "stand-in", mcp_servers: [serverWith("FOO")] }),
    },
  },
];

const serverWith = (key: string) => ({ name: "x", cmd: ["true"], env: { [key]: "/tmp/x.so" } });

/** Files by way of addresses. */
function file(name: string, path: (house: House) => string, meets: string, control: Control<House>): Row {
  return { name, meets, attempt: (house) => reads(house, path(house)), control };
}

const reads = ({ ground }: House, path: string) => ground.outcome({ path, headers: ground.bearer("read") });
const ownLog: Control<House> = {
  name: "a session's own log",
  meets: "200",
  attempt: (house) => reads(house, `/sessions/${house.ground.id}/log`),
};

const ownPart: Control<House> = {
  name: "a part that there is",
  meets: "200",
  attempt: async (house) => {
    const { text } = await house.ground.as("read").get("/");
    return reads(house, /src="\.(\/assets\/[^"]+)"/.exec(text)?.[1] ?? "/assets/none");
  },
};

const files: Row[] = [
  file(
    "a log whose session is `..%2f..%2fetc%2fpasswd`",
    () => "/sessions/..%2f..%2fetc%2fpasswd/log",
    "404 `log_not_found`",
    ownLog,
  ),
  {
    name: "a log whose session is `%2e%2e`",
    meets: "404",
    attempt: ({ ground }) => statusesOf(ground.daemon.url, rawGet(ground, "/sessions/%2e%2e/log")),
    control: {
      name: "a session's own log",
      meets: "200",
      attempt: ({ ground }) => statusesOf(ground.daemon.url, rawGet(ground, `/sessions/${ground.id}/log`)),
    },
  },
  file("a log whose session has a NUL", ({ ground }) => `/sessions/${ground.id}%00/log`, "404 `log_not_found`", ownLog),
  file(
    "a blob named `..%2fsession.json`",
    ({ ground }) => `/sessions/${ground.id}/blobs/..%2fsession.json`,
    "404 `blob_not_found`",
    {
      name: "a blob that there is",
      meets: "200",
      attempt: (house) => reads(house, `/sessions/${house.ground.id}/blobs/there`),
    },
  ),
  file(
    "a blob that is a link to the token",
    ({ ground }) => `/sessions/${ground.id}/blobs/link`,
    "404 `blob_not_found`",
    {
      name: "a blob that there is",
      meets: "200",
      attempt: (house) => reads(house, `/sessions/${house.ground.id}/blobs/there`),
    },
  ),
  file(
    "the daemon's program, as a part of the console: `/assets/..%2f..%2fagentd.js`",
    () => "/assets/..%2f..%2fagentd.js",
    "404 `not_found`",
    ownPart,
  ),
  {
    name: "the same by a folder above: `/assets/%2e%2e/%2e%2e/agentd.js`",
    meets: "404",
    attempt: ({ ground }) => statusesOf(ground.daemon.url, rawGet(ground, "/assets/%2e%2e/%2e%2e/agentd.js")),
    control: ownPart,
  },
  file("the token as a file of the daemon's", () => "/token", "404 `not_found`", ownLog),
  file(
    "the custom agents of `~/.claude`",
    ({ home }) => `/agents?work_dir=${encodeURIComponent(join(home, ".claude"))}`,
    "400 `invalid_work_dir`",
    {
      name: "of a project",
      meets: "200",
      attempt: (house) => reads(house, `/agents?work_dir=${encodeURIComponent(join(house.home, "project"))}`),
    },
  ),
];

function rawGet(ground: Ground, target: string): string {
  const { authorization } = ground.bearer("read");
  return `GET ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`;
}

/** A checkout may define agents; it may not make the daemon read what lies elsewhere. */
const links: Row[] = [
  { name: "a checkout whose folder of agents is a link to another's", from: "checkout-with-link" },
  { name: "a checkout with a link in place of an agent", from: "checkout-with-file-link" },
].map(({ name, from }) => ({
  name,
  meets: "0 agents listed",
  attempt: (house) => agentsIn(house, from),
  control: {
    name: "the folder that it leads to",
    meets: "1 agents listed",
    attempt: (house) => agentsIn(house, "elsewhere"),
  },
}));

async function agentsIn({ ground, home }: House, folder: string): Promise<string> {
  const { body } = await ground.as("read").get(`/agents?work_dir=${encodeURIComponent(join(home, folder))}`);
  const claude = body.find(({ name }: { name: string }) => name === "claude");
  return `${claude.custom_agents.length} agents listed`;
}

async function makeCheckouts(home: string): Promise<void> {
  const agents = (folder: string) => join(home, folder, ".claude/agents");
  for (const folder of ["elsewhere", "checkout-with-file-link"]) await mkdir(agents(folder), { recursive: true });
  const definition = join(agents("elsewhere"), "reviewer.md");
  await writeFile(definition, "---\nname: reviewer\ndescription: of somebody else's\n---\n");
  await mkdir(join(home, "checkout-with-link/.claude"), { recursive: true });
  await symlink(agents("elsewhere"), agents("checkout-with-link"));
  await symlink(definition, join(agents("checkout-with-file-link"), "reviewer.md"));
}

async function openHouse(): Promise<House> {
  const dir = await tempDir();
  const home = join(dir.path, "person");
  for (const path of [...ofKeys, ".ssh/keys", ".SSH", "project"]) await mkdir(join(home, path), { recursive: true });
  await writeFile(join(home, "file"), "");
  await symlink(join(home, ".ssh"), join(home, "link-to-ssh"));
  await symlink(home, join(home, "link-to-home"));
  await makeCheckouts(home);
  const claude = { harness: "claude", command: fixture("claude-counts").args[0] };
  const ground = await Ground.open({ config: { agents: { "stand-in": claude } }, env: { HOME: home } });
  const blobs = join(ground.daemon.dataDir, "sessions", ground.id, "blobs");
  await mkdir(blobs, { recursive: true });
  await writeFile(join(blobs, "there"), "a blob");
  await symlink(join(ground.daemon.dataDir, "token"), join(blobs, "link"));
  return { ground, dir, home };
}

export const paths: AttackGroup<House> = {
  title: "Paths and programs",
  who: "a client with a token that may write; it may begin sessions, and is not to choose where keys and programs are taken from",
  open: openHouse,
  close: async ({ ground, dir }) => {
    await ground.close();
    await dir.remove();
  },
  attacks: [...places, ...names, ...ofChats, ...programs, ...variables, ...files, ...links],
};
