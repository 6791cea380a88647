/** Which login an agent's sessions work with, as the configuration says. Pure. */
import { resolve } from "node:path";
import type { AgentSettings } from "../config.ts";
import { type LoginSource, tokenUrls } from "../keeper/login.ts";
import { LoginKind } from "../keeper/login-file.ts";
import { AgentdError } from "../protocol/error.ts";

/** Undefined when its sessions have a key or none. Throws `launch_failed` naming the setting that cannot be. */
export function loginSourceOf(name: string, settings: AgentSettings): LoginSource | undefined {
  const { login, harness, key_env, login_token_url, login_service, base_url } = settings;
  if (login === undefined) return undefined;
  const refuse = (found: string) =>
    new AgentdError("launch_failed", `Cannot use the login of agent "${name}": ${found}`);
  const kind = LoginKind.safeParse(harness).data;
  if (kind === undefined)
    throw refuse(
      `its harness is "${harness}", and only claude, codex and opencode keep a login that can be renewed here. Unset agents.${name}.login and set key_env`,
    );
  if (key_env !== undefined)
    throw refuse(`agents.${name}.key_env is set too, and one agent has one of them. Unset the other`);
  if (kind === "opencode" && login_service === undefined)
    throw refuse(
      `its file has logins for several services. Name one in agents.${name}.login_service, such as "openai"`,
    );
  if (kind === "opencode" && login_service === "openai" && base_url !== undefined)
    throw refuse(
      `agents.${name}.base_url is set, and with this login OpenCode asks chatgpt.com whatever it says. Unset it, or set key_env instead of login`,
    );
  const service = kind === "opencode" ? { service: login_service } : {};
  return { kind, ...service, path: resolve(login), token_url: login_token_url ?? tokenUrls[kind] };
}
