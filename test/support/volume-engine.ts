/** As much of a Docker engine as volumes and the containers that stand for them need: a folder for each volume, archives by tar. */
import { spawn } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import Docker from "dockerode";

interface Mount {
  Source: string;
  Target: string;
}

type Labels = Record<string, string>;

export interface VolumeEngine {
  docker: Docker;
  volumes: Map<string, { Name: string; Labels: Labels }>;
  /** What is listed as a container of the engine. */
  containers: { Id: string; Labels: Labels }[];
  folderOf(volume: string): string;
  stop(): Promise<void>;
}

export async function startVolumeEngine(folder: string): Promise<VolumeEngine> {
  const volumes: VolumeEngine["volumes"] = new Map();
  const containers: VolumeEngine["containers"] = [];
  const mounts = new Map<string, Mount[]>();
  const folderOf = (volume: string) => join(folder, "volumes", volume);
  const hasAll = (labels: Labels, filters: string | null) =>
    ((JSON.parse(filters ?? "{}") as { label?: string[] }).label ?? []).every((one) => {
      const [key = "", value] = one.split(/=(.*)/s);
      return labels[key] === value;
    });
  const rootOf = (id: string) => join(folder, "containers", id);

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://engine");
    const [, kind, name = "", act] = pathname.split("/");
    const filters = searchParams.get("filters");
    const what = `${request.method} ${kind}${act === undefined ? "" : ` ${act}`}`;
    if (what === "GET volumes") return { Volumes: [...volumes.values()].filter((one) => hasAll(one.Labels, filters)) };
    if (what === "GET networks") return [];
    if (pathname === "/containers/json") return containers.filter((one) => hasAll(one.Labels, filters));
    if (pathname === "/volumes/create") {
      const made = (await bodyOf(request)) as { Name: string; Labels: Labels };
      volumes.set(made.Name, made);
      await mkdir(folderOf(made.Name), { recursive: true });
      return made;
    }
    if (what === "DELETE volumes") {
      volumes.delete(name);
      await rm(folderOf(name), { recursive: true });
      return undefined;
    }
    if (pathname === "/containers/create") {
      const { HostConfig } = (await bodyOf(request)) as { HostConfig: { Mounts: Mount[] } };
      const id = `c${mounts.size}`;
      mounts.set(id, HostConfig.Mounts);
      await mkdir(rootOf(id), { recursive: true });
      return { Id: id };
    }
    if (what === "DELETE containers") return undefined;
    const mount = mounts.get(name)?.find(({ Target }) => Target === searchParams.get("path"));
    if (what === "PUT containers archive") {
      const target = mount ? folderOf(mount.Source) : rootOf(name);
      const tar = spawn("tar", ["-x", "-C", target], { stdio: ["pipe", "ignore", "ignore"] });
      request.pipe(tar.stdin);
      await new Promise((resolve) => tar.on("close", resolve));
      return undefined;
    }
    if (what === "GET containers archive" && mount) {
      const tar = spawn("tar", ["-c", "--format=gnu", "-C", join(folder, "volumes"), mount.Source], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      response.on("close", () => tar.kill());
      tar.stdout.pipe(response);
      return response;
    }
    throw new Error(`no answer to ${request.method} ${request.url}`);
  };
  const server = createServer((request, response) => {
    answer(request, response).then(
      (found) => {
        if (found === response) return;
        const made = request.url?.includes("/create") ? 201 : 200;
        response.writeHead(found === undefined && request.method === "DELETE" ? 204 : made, {
          "content-type": "application/json",
        });
        response.end(found === undefined ? "" : JSON.stringify(found));
      },
      (error: unknown) => response.writeHead(500).end(JSON.stringify({ message: String(error) })),
    );
  });
  const socketPath = join(folder, "engine");
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return {
    docker: new Docker({ socketPath }),
    volumes,
    containers,
    folderOf,
    stop: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString());
}
