/** Which room may import which: the arrows of the architecture, as a table that `npm run check` holds. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

interface Room {
  /** Files of the room: a folder, or `src` for the files right in it. */
  name: string;
  /** Rooms it may import besides itself. */
  rooms: readonly string[];
  /** Files of other rooms of which it may import types: the settings it is given. */
  typesOf?: readonly string[];
  /** Packages and Node modules it may import; all that no other rule forbids when absent. */
  packages?: readonly string[];
  /** Packages and Node modules it must not import. */
  never?: readonly string[];
}

const sockets = ["node:net", "node:http", "node:https", "ws", "fastify", "@fastify/websocket"];
const everyRoom = [
  "access",
  "protocol",
  "process",
  "session",
  "store",
  "runtime",
  "keeper",
  "supervisor",
  "chats",
  "bridge",
  "api",
  "client",
  "observe",
].map(inSrc);

/** All that the console is made of: whatever a page could not load does not come near it. */
const webPackages = ["zod", "preact", "preact/hooks", "@preact/signals", "marked"];

export const rooms: readonly Room[] = [
  { name: "src/protocol", rooms: [], packages: ["zod", "node:crypto"] },
  { name: "src/process", rooms: ["src/protocol"], never: sockets },
  { name: "src/session", rooms: ["src/protocol"], never: [...sockets, "node:child_process"] },
  { name: "src/store", rooms: ["src/protocol"], never: [...sockets, "node:child_process"] },
  {
    name: "src/access",
    rooms: ["src/protocol"],
    typesOf: ["src/store/store.ts"],
    never: [...sockets, "node:child_process"],
  },
  { name: "src/runtime", rooms: ["src/protocol", "src/process"], never: ["fastify", "@fastify/websocket"] },
  { name: "src/keeper", rooms: ["src/protocol"], never: ["fastify", "@fastify/websocket", "ws"] },
  {
    name: "src/supervisor",
    rooms: ["src/session", "src/runtime", "src/keeper", "src/protocol", "src/process"],
    typesOf: ["src/config.ts", "src/store/store.ts"],
    never: ["fastify", "@fastify/websocket"],
  },
  {
    name: "src/chats",
    rooms: ["src/supervisor", "src/session", "src/protocol"],
    typesOf: ["src/config.ts", "src/store/store.ts"],
    never: [...sockets, "node:child_process"],
  },
  { name: "src/bridge", rooms: ["src/session", "src/protocol"], never: sockets },
  {
    name: "src/api",
    rooms: ["src/access", "src/supervisor", "src/chats", "src/session", "src/bridge", "src/protocol"],
    typesOf: ["src/config.ts", "src/store/store.ts", "src/process/group-limits.ts"],
  },
  {
    name: "src/observe",
    rooms: ["src/session", "src/process", "src/protocol"],
    typesOf: ["src/config.ts"],
    never: sockets,
  },
  { name: "src/client", rooms: ["src/protocol"] },
  {
    name: "src/doctor",
    rooms: ["src/supervisor", "src/session", "src/store", "src/runtime", "src/client", "src/process", "src/protocol"],
    typesOf: ["src/config.ts"],
  },
  { name: "src/probe", rooms: ["src/client", "src/protocol"] },
  { name: "src/web", rooms: ["src/client", "src/protocol"], packages: webPackages },
  { name: "src", rooms: everyRoom },
  { name: "cmd", rooms: ["src", "src/client", "src/doctor", "src/keeper", "src/probe", "src/protocol", "src/runtime"] },
  { name: "sidecar", rooms: ["src/protocol", "src/process"], never: ["fastify", "@fastify/websocket"] },
];

/** Packages that live in one place only. */
const onlyIn: Readonly<Record<string, readonly string[]>> = {
  commander: ["cmd"],
  fastify: ["src/api"],
  "@fastify/websocket": ["src/api"],
  kysely: ["src/store"],
  libsql: ["src/store"],
  marked: ["src/web"],
  pino: ["src/observe"],
  preact: ["src/web"],
  "prom-client": ["src/observe"],
  yaml: ["cmd"],
};

/** Files that may end the process. */
const mayExit = /^(cmd\/|sidecar\/main\.ts$)/;

const importPattern =
  /(?:^|[\s;}])(?:import|export)\s*(type\s+)?(?:[\w*{][^"';]*?\sfrom\s*)?["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)/g;

/** One sentence for each import that the table forbids. `read` gets a path relative to the root. */
export function forbiddenArrows(files: readonly string[], read: (file: string) => string): string[] {
  const faults: string[] = [];
  for (const file of files) {
    const room = roomOf(file);
    if (!room) continue;
    const text = withoutComments(read(file));
    if (/\bprocess\.exit\b/.test(text) && !mayExit.test(file))
      faults.push(`${file}: only cmd and sidecar/main.ts may exit`);
    for (const found of text.matchAll(importPattern)) {
      const fault = judge(file, room, { specifier: found[2] ?? found[3] ?? "", isType: found[1] !== undefined });
      if (fault) faults.push(fault);
    }
  }
  return faults;
}

/** Every TypeScript file of a room, relative to `root`. */
export function roomFiles(root: string): string[] {
  return ["cmd", "sidecar", "src"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => /\.tsx?$/.test(path))
      .map((path) => posix.join(folder, path)),
  );
}

export function checkRooms(root: string): string[] {
  return forbiddenArrows(roomFiles(root), (file) => readFileSync(join(root, file), "utf8"));
}

/** Every package that the product's sources import, types included. */
export function importedPackages(root: string): string[] {
  const specifiers = roomFiles(root).flatMap((file) =>
    [...withoutComments(readFileSync(join(root, file), "utf8")).matchAll(importPattern)].map(
      (found) => found[2] ?? found[3] ?? "",
    ),
  );
  const packages = specifiers.filter((specifier) => /^(?!node:)[\w@]/.test(specifier));
  return [...new Set(packages.map((specifier) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? ""))].sort();
}

function judge(
  file: string,
  room: Room,
  { specifier, isType }: { specifier: string; isType: boolean },
): string | undefined {
  if (specifier.startsWith(".")) {
    const target = posix.normalize(posix.join(posix.dirname(file), specifier));
    const targetRoom = roomOf(target);
    if (!targetRoom) return `${file} imports ${target}: it is in no room of the product`;
    if (targetRoom.name === room.name || room.rooms.includes(targetRoom.name)) return undefined;
    if (isType && room.typesOf?.includes(target)) return undefined;
    return `${file} imports ${target}: ${room.name} may import ${room.rooms.join(", ") || "no other room"}`;
  }
  const allowedRooms = onlyIn[specifier];
  // The library's plugin has the type of fastify's, and nothing else of it.
  const isOnlyType = isType && room.name === "src" && specifier === "fastify";
  if (allowedRooms && !isOnlyType && !allowedRooms.includes(room.name))
    return `${file} imports ${specifier}: it lives in ${allowedRooms.join(", ")} only`;
  if (room.packages && !room.packages.includes(specifier))
    return `${file} imports ${specifier}: ${room.name} may import ${room.packages.join(", ")}`;
  if (room.never?.includes(specifier)) return `${file} imports ${specifier}: ${room.name} never does`;
  return undefined;
}

function roomOf(path: string): Room | undefined {
  const folder = posix.dirname(path);
  return rooms.find(({ name }) => folder === name || (name !== "src" && folder.startsWith(`${name}/`)));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

function inSrc(name: string): string {
  return `src/${name}`;
}
