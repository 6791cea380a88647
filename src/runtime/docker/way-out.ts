/**
 * How the proxy itself goes out, as a piece of its configuration: by itself, or by a proxy of the operator's. A file in a
 * folder that the proxy's container sees, so that no password is in what the engine shows of it.
 */
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { draftOf } from "./proxy-folders.ts";

const fileName = "way-out.conf";

export class WayOut {
  readonly folder: string;
  #upstream: string | undefined;

  readonly #deliver: (name: string, text: string) => Promise<void>;

  constructor(options: {
    folder: string;
    upstream: string | undefined;
    /** Told of the file when it was written. */
    deliver(name: string, text: string): Promise<void>;
  }) {
    this.folder = options.folder;
    this.#upstream = options.upstream;
    this.#deliver = options.deliver;
  }

  get hasUpstream(): boolean {
    return this.#upstream !== undefined;
  }

  /** True when what is in the file is something else now. */
  async write(): Promise<boolean> {
    const text = wayOutText(this.#upstream);
    if ((await this.#found()) === text) return false;
    await this.#put(text);
    return true;
  }

  /** Another upstream; returns what takes it back. */
  async change(upstream: string | undefined): Promise<{ isNew: boolean; undo(): Promise<void> }> {
    const [before, text] = [this.#upstream, await this.#found()];
    this.#upstream = upstream;
    return {
      isNew: await this.write(),
      undo: async () => {
        this.#upstream = before;
        if (text !== undefined) await this.#put(text);
      },
    };
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  #found(): Promise<string | undefined> {
    return readFile(join(this.folder, fileName), "utf8").catch(() => undefined);
  }

  /** As with the policies: the folder above is the daemon's alone, and the proxy's user reads through its mount. */
  async #put(text: string): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await chmod(this.folder, 0o755);
    const path = join(this.folder, fileName);
    await writeFile(draftOf(path), text, { mode: 0o644 });
    await chmod(draftOf(path), 0o644);
    await rename(draftOf(path), path);
    await this.#deliver(fileName, text);
  }
}

/** Pure. */
export function wayOutText(upstream: string | undefined): string {
  if (upstream === undefined) return "always_direct allow inner\n";
  const { hostname, port, username, password } = new URL(upstream);
  const login = username === "" && password === "" ? [] : [`login=${escaped(username)}:${escaped(password)}`];
  const peer = ["cache_peer", hostname.replace(/^\[|\]$/g, ""), "parent", port || "80", "0"];
  // It is asked again and again, whatever it answered: there is no other way.
  const options = ["no-query", "no-digest", "no-netdb-exchange", "name=upstream", "connect-fail-limit=1000000"];
  return `${[
    [...peer, ...options, ...login].join(" "),
    "cache_peer_access upstream allow inner",
    "cache_peer_access upstream deny all",
    "never_direct allow inner",
    // What has no address here is resolved over there, and cannot be judged: only names that are on a list go that far.
    "acl anywhere dst 0.0.0.0/0 ::/0",
    "acl unlisted note unlisted",
    "http_access deny front unlisted !anywhere is_range",
  ].join("\n")}\n`;
}

/** squid takes its escapes out again, and has a meaning for much that is no letter. */
function escaped(word: string): string {
  return [...Buffer.from(decodeURIComponent(word), "utf8")]
    .map((byte) => (/[A-Za-z0-9]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : hex(byte)))
    .join("");
}

function hex(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}
