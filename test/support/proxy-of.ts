/** The proxy of the sessions that are there, as its engine sees it. */
import type Docker from "dockerode";
import { agentdContainers, engine } from "./docker-world.ts";

export async function proxyContainer(): Promise<Docker.Container> {
  const found = (await agentdContainers()).find(({ Labels }) => Labels["agentruntime.role"] === "proxy");
  if (!found) throw new Error("there is no proxy: it comes with the first session");
  return engine.getContainer(found.Id);
}

/** Runs a script where the proxy is, with all the ways that it has; returns what it printed. */
export async function inProxy(script: string): Promise<string> {
  const exec = await (await proxyContainer()).exec({
    Cmd: ["sh", "-c", `${script} 2>&1`],
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({ hijack: false, stdin: false });
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  return text;
}

/** Asks the public server for its marker from there. */
export const markerAt = (address: string) =>
  `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 10 openssl s_client -quiet -connect ${address}:443`;
