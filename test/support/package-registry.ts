/** An npm registry on loopback with packages that a test makes: npm itself is the real one. */
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { tempDir } from "./temp-dir.ts";

export interface MadePackage {
  name: string;
  version: string;
  /** Path in the package → content; every file can be run. */
  files: Readonly<Record<string, string>>;
  /** Added to its package.json. */
  description?: Record<string, unknown>;
}

export interface PackageRegistry {
  url: string;
  /** Paths that were asked for. */
  asked: readonly string[];
  close(): Promise<void>;
}

export async function startPackageRegistry(packages: readonly MadePackage[]): Promise<PackageRegistry> {
  const dir = await tempDir();
  const tarballs = await Promise.all(packages.map((each, index) => pack(each, join(dir.path, String(index)))));
  const asked: string[] = [];
  let url = "";
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "").slice(1);
    asked.push(path);
    const [, index] = /^tarballs\/(\d+)\.tgz$/.exec(path) ?? [];
    const tarball = index === undefined ? undefined : tarballs[Number(index)];
    if (tarball) return response.end(tarball);
    const versions = packages.flatMap((each, at) => {
      const bytes = tarballs[at];
      if (each.name !== path || bytes === undefined) return [];
      const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
      const dist = { tarball: `${url}/tarballs/${at}.tgz`, integrity };
      return [[each.version, { name: each.name, version: each.version, ...each.description, dist }] as const];
    });
    if (versions.length === 0) return response.writeHead(404).end("{}");
    const [[latest] = [""]] = versions;
    response.writeHead(200, { "content-type": "application/json" });
    return response.end(
      JSON.stringify({ name: path, "dist-tags": { latest }, versions: Object.fromEntries(versions) }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the registry has no port");
  url = `http://127.0.0.1:${address.port}`;
  return {
    url,
    asked,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await dir.remove();
    },
  };
}

async function pack({ name, version, files, description }: MadePackage, folder: string): Promise<Buffer> {
  const all = { "package.json": JSON.stringify({ name, version, ...description }), ...files };
  for (const [path, content] of Object.entries(all)) {
    const file = join(folder, "package", path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content, { mode: 0o755 });
  }
  await execa("tar", ["-czf", "package.tgz", "package"], { cwd: folder });
  return readFile(join(folder, "package.tgz"));
}
