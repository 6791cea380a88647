/**
 * One hop of the relay that the daemon is compared with. `near SOCKET -- COMMAND…` starts an agent and forwards one
 * WebSocket frame per read of its pipe; `hub SOCKET` takes those and forwards each to the one client on a TCP port,
 * which it prints. Nothing is looked at, numbered or stored.
 */
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import WebSocket, { WebSocketServer } from "ws";

const bufferedBytesMax = 1024 * 1024;
const [role, socketPath = "", , ...command] = process.argv.slice(2);
if (role === "near") near();
else hub();

function near(): void {
  const up = new WebSocket(`ws+unix://${socketPath}:/`, { perMessageDeflate: false });
  const agent = spawn(command[0] ?? "", command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
  up.on("message", (data) => agent.stdin.write(data as Buffer));
  up.on("close", () => agent.stdin.end());
  agent.on("exit", () => process.exit(0));
  agent.stdout.on("data", (chunk: Buffer) => forward(chunk, up, agent.stdout));
}

function hub(): void {
  const unix = createServer().listen(socketPath);
  const tcp = createServer().listen(0, "127.0.0.1", () => console.log((tcp.address() as AddressInfo).port));
  new WebSocketServer({ server: unix, perMessageDeflate: false }).on("connection", (down) => {
    new WebSocketServer({ server: tcp, perMessageDeflate: false }).on("connection", (client) => {
      down.on("message", (data) => forward(data as Buffer, client, down));
      client.on("message", (data) => down.send(data as Buffer));
      client.on("close", () => down.close());
      down.on("close", () => process.exit(0));
    });
  });
}

/** Sends one frame; the source rests while more than the limit waits to be sent. */
function forward(chunk: Buffer, to: WebSocket, from: { pause(): unknown; resume(): unknown }): void {
  to.send(chunk, { binary: true }, () => {
    if (to.bufferedAmount < bufferedBytesMax) from.resume();
  });
  if (to.bufferedAmount >= bufferedBytesMax) from.pause();
}
