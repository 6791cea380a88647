/** The tokens that let somebody in: that of the token file, and named ones. Who revokes or replaces one is obeyed at once. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { type TokenCreated, type TokenRequest, type TokenView, unnamedCallers } from "../protocol/access.ts";
import { AgentdError } from "../protocol/error.ts";
import type { TokenBook, TokenRow } from "../store/store.ts";
import type { Caller } from "./caller.ts";
import type { LiveCalls } from "./live-calls.ts";

export interface TokensOptions {
  book: TokenBook;
  fileToken: string;
  /** Puts another one into the token file. */
  writeFileToken(token: string): Promise<void>;
  live: LiveCalls;
}

/** The token of the token file, and who has it. */
interface FileToken {
  digest: Buffer;
  caller: Caller & { secretId: string };
}

/** Each is held in memory, where every request is checked. */
const countMax = 1000;
const tokenShape = /^agt_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;

export class Tokens {
  readonly #book: TokenBook;
  readonly #writeFileToken: (token: string) => Promise<void>;
  #file: FileToken;
  readonly #live: LiveCalls;
  /** By id. Only this daemon writes the store, so it holds what is true. */
  readonly #rows = new Map<string, TokenRow>();
  /** Changes come one after the other: two of one name must not both think it free. */
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor({ book, fileToken, writeFileToken, live }: TokensOptions) {
    this.#book = book;
    this.#file = fileTokenOf(fileToken);
    this.#writeFileToken = writeFileToken;
    this.#live = live;
  }

  static async open(options: TokensOptions): Promise<Tokens> {
    const tokens = new Tokens(options);
    for (const row of await options.book.all()) tokens.#rows.set(row.id, row);
    return tokens;
  }

  /** Who has this token; undefined for nobody: it never was one, has expired or was revoked. */
  callerWith(token: string): Caller | undefined {
    // Digests are compared, so that neither length nor content shows in the time it takes.
    const digest = digestOf(token);
    if (timingSafeEqual(digest, this.#file.digest)) return this.#file.caller;
    const row = this.#rows.get(tokenShape.exec(token)?.[1] ?? "");
    if (!row || !timingSafeEqual(digest, Buffer.from(row.digest, "hex")) || isExpired(row)) return undefined;
    return callerOf(row);
  }

  /** Whether what let the caller in still would. */
  isGood({ secretId }: Caller): boolean {
    if (secretId === undefined || secretId === this.#file.caller.secretId) return true;
    const row = this.#rows.get(secretId);
    return row !== undefined && !isExpired(row);
  }

  list(): TokenView[] {
    return [...this.#rows.values()].map(viewOf);
  }

  create({ name, scope, expires_in }: TokenRequest): Promise<TokenCreated> {
    return this.#inTurn(async () => {
      if (this.#named(name))
        throw new AgentdError(
          "token_exists",
          `Cannot create the token "${name}": there is one of that name. Revoke or rotate it, or choose another name`,
        );
      if (this.#rows.size >= countMax)
        throw new AgentdError(
          "invalid_request",
          `Cannot create the token "${name}": there are ${countMax} already. Revoke those that nobody needs`,
        );
      const now = Date.now();
      return this.#issue({ name, scope, expires_at: expires_in === undefined ? null : now + expires_in }, now);
    });
  }

  /** The same name, scope and length of life with another secret; the old one is good for nothing from now on. */
  rotate(name: string): Promise<TokenCreated> {
    return this.#inTurn(async () => {
      if (name === unnamedCallers.file) return this.#rotateFile();
      const old = this.#found(name);
      const now = Date.now();
      const expires_at = old.expires_at === null ? null : now + (old.expires_at - old.created_at);
      const issued = await this.#issue({ name, scope: old.scope, expires_at }, now);
      this.#shut(old, "the token was replaced");
      return issued;
    });
  }

  revoke(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const row = this.#found(name);
      // First here, then on disk: should that fail, nobody is let in by it until the next start at least.
      this.#shut(row, "the token was revoked");
      await this.#book.remove(name);
    });
  }

  async #rotateFile(): Promise<TokenCreated> {
    const token = randomBytes(32).toString("base64url");
    // On disk first: a daemon that dies in between comes back with the new one, and nobody was told of it in vain.
    await this.#writeFileToken(token);
    const { secretId } = this.#file.caller;
    this.#file = fileTokenOf(token);
    this.#live.end(secretId, "the token was replaced");
    const { name, scope } = this.#file.caller;
    const created_at = new Date().toISOString();
    return { name, scope, created_at, expires_at: null, is_expired: false, token };
  }

  async #issue(wanted: Pick<TokenRow, "name" | "scope" | "expires_at">, now: number): Promise<TokenCreated> {
    const id = randomBytes(8).toString("hex");
    const token = `agt_${id}_${randomBytes(32).toString("base64url")}`;
    const row: TokenRow = { ...wanted, id, digest: digestOf(token).toString("hex"), created_at: now };
    await this.#book.put(row);
    this.#rows.set(id, row);
    return { ...viewOf(row), token };
  }

  #shut(row: TokenRow, reason: string): void {
    this.#rows.delete(row.id);
    this.#live.end(row.id, reason);
  }

  #named(name: string): TokenRow | undefined {
    return [...this.#rows.values()].find((row) => row.name === name);
  }

  #found(name: string): TokenRow {
    const row = this.#named(name);
    if (row) return row;
    throw new AgentdError(
      "token_not_found",
      `Cannot find the token ${JSON.stringify(name.slice(0, 80))}: "agentd token ls" shows those that there are`,
    );
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#lastChange.then(change, change);
    // Whoever asked for the change hears of its failure; the next one only waits for its end.
    this.#lastChange = done.catch(() => undefined);
    return done;
  }
}

/** A token is 32 random bytes: there is nothing to guess, so nothing to make slow. */
function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

/** No id of a named token has a dash in it. */
function fileTokenOf(token: string): FileToken {
  const digest = digestOf(token);
  const secretId = `${unnamedCallers.file}-${digest.toString("hex").slice(0, 16)}`;
  return { digest, caller: { name: unnamedCallers.file, scope: "admin", secretId } };
}

function isExpired({ expires_at }: TokenRow): boolean {
  return expires_at !== null && expires_at <= Date.now();
}

function callerOf({ id, name, scope, expires_at }: TokenRow): Caller {
  return { name, scope, tokenId: id, secretId: id, ...(expires_at === null ? {} : { expiresAt: expires_at }) };
}

function viewOf(row: TokenRow): TokenView {
  const { name, scope, created_at, expires_at } = row;
  return {
    name,
    scope,
    created_at: new Date(created_at).toISOString(),
    expires_at: expires_at === null ? null : new Date(expires_at).toISOString(),
    is_expired: isExpired(row),
  };
}
