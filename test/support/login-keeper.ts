/** A key keeper of its own, as the bundled program, that works with the login of a person. */
import { request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { onTestFinished } from "vitest";

const program = fileURLToPath(new URL("../../dist/keeper.js", import.meta.url));
const standIn = "sk-stand-in-of-these-sessions";

/** Resolves with the socket at which it listens; `NAME.ndjson` beside it has what was asked. It ends with the test. */
export async function startLoginKeeper(options: {
  dir: string;
  name: string;
  login: { kind: string; path: string; token_url: string };
  model: Server;
}): Promise<string> {
  const { dir, name, login, model } = options;
  const socket = join(dir, name);
  const child = execa(process.execPath, [program], { reject: false, buffer: false, cleanup: true });
  child.stdin.end(
    JSON.stringify({
      session_id: name,
      socket_path: socket,
      stand_in: standIn,
      lease: "lease-of-these-sessions",
      login,
      upstream: `http://127.0.0.1:${(model.address() as AddressInfo).port}`,
      log_path: join(dir, `${name}.ndjson`),
      proxy: {},
    }),
  );
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await child;
  });
  await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
  return socket;
}

/** A request as the session's agent makes it. */
export function ask(socketPath: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${standIn}` };
    const asking = request({ socketPath, path: "/v1/messages", method: "POST", headers }, (answer) => {
      let text = "";
      answer.on("data", (chunk) => (text += String(chunk)));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    asking.on("error", reject).end("prompt");
  });
}
