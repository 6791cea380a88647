/** The policies of sessions as files, one an address, in a folder that the proxy reads at each request. */
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { EgressPolicy } from "../../protocol/egress.ts";

export class Policies {
  readonly folder: string;

  /** Told of each file that was written, and of each that is gone, with an empty text. */
  readonly #deliver: (name: string, text: string) => Promise<void>;

  constructor(folder: string, deliver: (name: string, text: string) => Promise<void>) {
    this.folder = folder;
    this.#deliver = deliver;
  }

  /** The folder above is for the daemon alone; what is in this one the proxy's user reads through its mount. */
  async open(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await chmod(this.folder, 0o755);
  }

  /** Holds from the next request on. */
  async write(address: string, sessionId: string, { mode, allow }: EgressPolicy): Promise<void> {
    await this.open();
    const lines = [`session ${sessionId}`, `mode ${mode}`, ...allow.map((name) => `allow ${name}`)];
    const path = join(this.folder, address);
    const text = `${lines.join("\n")}\n`;
    await writeFile(`${path}.new`, text, { mode: 0o644 });
    await chmod(`${path}.new`, 0o644);
    await rename(`${path}.new`, path);
    await this.#deliver(address, text);
  }

  async remove(address: string): Promise<void> {
    await rm(join(this.folder, address), { force: true });
    await this.#deliver(address, "");
  }

  /** Address → session. */
  async owners(): Promise<Map<string, string>> {
    const addresses = await readdir(this.folder).catch(() => []);
    const owners = new Map<string, string>();
    for (const address of addresses) {
      const text = await readFile(join(this.folder, address), "utf8").catch(() => "");
      const owner = /^session (.+)$/m.exec(text)?.[1];
      if (owner !== undefined && !address.endsWith(".new")) owners.set(address, owner);
    }
    return owners;
  }
}
