/** Which way of logging in can be taken without a person, and what to tell one otherwise. Pure. */
import type { AuthMethod } from "./raw.ts";

/** In `agents.NAME.env`: the method to authenticate with, when the agent asks for it. */
const methodVariable = "ACP_AUTH_METHOD";

/** The operator's choice; else a method that only wants a key which is there. */
export function authMethodFor(
  methods: readonly AuthMethod[],
  env: Readonly<Record<string, string>>,
): string | undefined {
  const chosen = env[methodVariable];
  if (chosen) return chosen;
  const hasKey = Object.entries(env).some(([name, value]) => name.endsWith("_API_KEY") && value !== "");
  return hasKey ? methods.find((method) => method._meta && Object.hasOwn(method._meta, "api-key"))?.id : undefined;
}

export function loginAdvice(methods: readonly AuthMethod[], said: string | undefined): string {
  const ways = methods.slice(0, 10).map(({ id, name, description }) => {
    const what = description ?? name ?? "";
    return what === "" ? `"${id}"` : `"${id}" (${what.slice(0, 200)})`;
  });
  const offered = ways.length > 0 ? ` It offers ${ways.join(", ")}.` : "";
  const why = said === undefined ? "" : `: ${said}`;
  return (
    `The agent wants a login${why}.${offered} Log in with the agent's own program, or give it a key by agents.NAME.key_env; ` +
    `a method that needs no person is chosen by ${methodVariable} in agents.NAME.env`
  );
}
