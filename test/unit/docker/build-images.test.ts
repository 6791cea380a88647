/** What the engine's builder is given for each image, and what becomes of a step of it that fails: against an engine that builds nothing. */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { expect, onTestFinished, test } from "vitest";
import { buildImage, type ImageKind } from "../../../src/runtime/docker/build-images.ts";
import { tempDir } from "../../support/temp-dir.ts";

const checkout = fileURLToPath(new URL("../../..", import.meta.url));

/** The package as it is installed: what `npm run build` makes is not there in every checkout. */
async function installed(): Promise<string> {
  const { path, remove } = await tempDir();
  onTestFinished(remove);
  await cp(join(checkout, "docker"), join(path, "docker"), { recursive: true });
  await cp(join(checkout, "package.json"), join(path, "package.json"));
  await mkdir(join(path, "dist", "web"), { recursive: true });
  for (const name of ["sidecar.js", "agentd.js", "web/index.html"]) await writeFile(join(path, "dist", name), name);
  return path;
}

/** Takes what it is to build, and tells of it as it is told to. */
async function builder(told: readonly object[]) {
  const { path, remove } = await tempDir();
  const asked: { dockerfile: string; buildargs: string; files: string[] }[] = [];
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://engine");
    const say = (value: object) =>
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (pathname === "/version") return void say({ Os: "linux", ApiVersion: "1.41" });
    if (pathname.startsWith("/images/")) return void say({ Size: 7 });
    const files = await namesIn(await buffer(request));
    asked.push({
      dockerfile: searchParams.get("dockerfile") ?? "",
      buildargs: searchParams.get("buildargs") ?? "",
      files,
    });
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(told.map((item) => `${JSON.stringify(item)}\r\n`).join(""));
  });
  const socket = join(path, "engine");
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  onTestFinished(async () => {
    const over = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await over;
    await remove();
  });
  return { asked, engine: { host: `unix://${socket}`, certificates: undefined, answerMs: 5000, environment: {} } };
}

async function namesIn(archive: Buffer): Promise<string[]> {
  const names: string[] = [];
  const reader = extract().on("entry", ({ name }, entry, next) => {
    names.push(name);
    entry.on("end", next).resume();
  });
  await pipeline([archive[0] === 0x1f ? gunzipSync(archive) : archive], reader);
  return names;
}

/** What the steps of a Dockerfile take from what the builder was given. */
function takenBy(dockerfile: string): string[] {
  const steps = dockerfile.replace(/\\\n/g, " ").split("\n");
  return steps.flatMap((step) => {
    const [verb = "", ...words] = step.trim().split(/\s+/);
    return /^(COPY|ADD)$/i.test(verb) ? words.filter((word) => !word.startsWith("--")).slice(0, -1) : [];
  });
}

test.each<[ImageKind, taken: number]>([
  ["agent", 1],
  ["proxy", 5],
  ["daemon", 3],
])("the builder of the image %s is given all that its Dockerfile takes, and no more", async (kind, count) => {
  const packageDir = await installed();
  const { asked, engine } = await builder([{ stream: "Step 1/1\n" }]);
  const lines: string[] = [];
  const onLine = (line: string) => void lines.push(line);
  const size = await buildImage({ engine, packageDir, kind, tag: "one:1", base: "a-base:1", onLine });
  expect([size, lines]).toEqual([7, ["Step 1/1"]]);
  expect(asked).toHaveLength(1);
  const [{ dockerfile, buildargs, files } = { dockerfile: "", buildargs: "", files: [] }] = asked;
  expect([dockerfile, JSON.parse(buildargs)]).toEqual([`docker/Dockerfile.${kind}`, { BASE_IMAGE: "a-base:1" }]);
  expect(files).toContain(dockerfile);
  const taken = takenBy(await readFile(join(packageDir, dockerfile), "utf8"));
  expect(taken).toHaveLength(count);
  const isBelow = (file: string) => (source: string) => file === source || file.startsWith(`${source}/`);
  expect(taken.filter((source) => !files.some((file) => isBelow(file)(source)))).toEqual([]);
  expect(files.filter((file) => file !== dockerfile && !taken.some(isBelow(file)))).toEqual([]);
});

test("a step that fails is a failure, though the engine answers 200; it is told behind what was said last", async () => {
  const packageDir = await installed();
  const { engine } = await builder([{ stream: "Step 2/9 : RUN apt-get\n" }, { error: "the command ended with 100" }]);
  const wish = { engine, packageDir, kind: "proxy", tag: "one:1", base: undefined, onLine: () => undefined } as const;
  await expect(buildImage(wish)).rejects.toThrow(
    /^Cannot build the image "one:1": the command ended with 100, behind: Step 2\/9 : RUN apt-get$/,
  );
});

test.each([
  "pull access denied for no-such, repository does not exist or may require 'docker login'",
  'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host',
  "manifest for debian:nowhere not found: manifest unknown",
])("a base image that cannot be had is told with what to do: %s", async (error) => {
  const packageDir = await installed();
  const { engine } = await builder([{ error }]);
  const wish = { engine, packageDir, kind: "proxy", tag: "one:1", base: "no-such:1", onLine: () => undefined } as const;
  await expect(buildImage(wish)).rejects.toThrow(/name a base image that is there with .*--proxy-base/);
});

test("a package that lacks a file of an image's says which, before the engine is asked", async () => {
  const packageDir = await installed();
  const engine = { host: "unix:///nowhere/engine", certificates: undefined, answerMs: 5000, environment: {} };
  const wish = { engine, packageDir: join(packageDir, "dist"), tag: "one:1", base: undefined, onLine: () => undefined };
  await expect(buildImage({ ...wish, kind: "agent" })).rejects.toThrow(
    /docker\/Dockerfile\.agent" is missing\. Install/,
  );
});
