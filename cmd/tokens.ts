/** `agentd token create|ls|rotate|revoke`: who else may call. */
import * as z from "zod";
import { createToken, listTokens, revokeToken, rotateToken } from "../src/client/tokens.ts";
import { Scope, type TokenCreated, unnamedCallers } from "../src/protocol/access.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";

export const CreateTokenOptions = DaemonOptions.extend({ scope: Scope, expires: z.string().optional() });

export async function makeToken(
  name: string,
  options: z.infer<typeof CreateTokenOptions>,
  context: CommandContext,
): Promise<number> {
  const address = await locate(options, context.env);
  const created = await createToken(address, { name, scope: options.scope, expiresIn: options.expires });
  return show(created, context);
}

export async function replaceToken(name: string, options: DaemonOptions, context: CommandContext): Promise<number> {
  return show(await rotateToken(await locate(options, context.env), name), context);
}

/** The token alone goes to standard output, so that a script can take it. */
function show({ name, scope, expires_at, token }: TokenCreated, { terminal }: CommandContext): number {
  const until = expires_at === null ? "it does not expire" : `good until ${expires_at}`;
  const where = name === unnamedCallers.file ? "It stands in the token file too" : "It is shown this once";
  terminal.note(`Token "${name}" with the scope ${scope}, ${until}. ${where}:`);
  terminal.out(`${token}\n`);
  return exitCode.ok;
}

export async function dropToken(name: string, options: DaemonOptions, context: CommandContext): Promise<number> {
  await revokeToken(await locate(options, context.env), name);
  context.terminal.note(`Revoked the token "${name}"; what it had open is closed`);
  return exitCode.ok;
}

export const ListTokensOptions = DaemonOptions.extend({ json: z.boolean().default(false) });

export async function showTokens(
  options: z.infer<typeof ListTokensOptions>,
  { env, terminal }: CommandContext,
): Promise<number> {
  const tokens = await listTokens(await locate(options, env));
  if (options.json) terminal.out(`${JSON.stringify(tokens, undefined, 2)}\n`);
  else if (tokens.length === 0)
    terminal.note('No named tokens: there is that of the token file ("agentd token"). "agentd token create" makes one');
  for (const { name, scope, created_at, expires_at, is_expired } of options.json ? [] : tokens) {
    const until = expires_at === null ? "does not expire" : `${is_expired ? "expired" : "good until"} ${expires_at}`;
    terminal.out(`${name.padEnd(24)}  ${scope.padEnd(5)}  made ${created_at}  ${until}\n`);
  }
  return exitCode.ok;
}
