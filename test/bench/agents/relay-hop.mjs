// One hop of the relay that the daemon is compared with. `near SOCKET PATH -- COMMAND…` starts an agent and forwards one
// WebSocket frame per read of its pipe; `hub SOCKET` takes those of many and forwards each to the client with the same
// path on a TCP port, which it prints. Nothing is looked at, numbered or stored. One hub for all, as there is one daemon.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import WebSocket, { WebSocketServer } from "ws";

const bufferedBytesMax = 1024 * 1024;
const [role, socketPath] = process.argv.slice(2);
if (role === "near") near(process.argv[4], process.argv.slice(6));
else hub();

function near(path, command) {
  const up = new WebSocket(`ws+unix://${socketPath}:${path}`, { perMessageDeflate: false });
  const agent = spawn(command[0], command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
  up.on("message", (data) => agent.stdin.write(data));
  up.on("close", () => agent.stdin.end());
  agent.on("exit", () => process.exit(0));
  agent.stdout.on("data", (chunk) => forward(chunk, up, agent.stdout));
}

function hub() {
  const unix = createServer().listen(socketPath);
  const tcp = createServer().listen(0, "127.0.0.1", () => console.log(tcp.address().port));
  const downs = new Map();
  const clients = new WebSocketServer({
    server: tcp,
    perMessageDeflate: false,
    verifyClient: ({ req }) => downs.has(req.url),
  });
  new WebSocketServer({ server: unix, perMessageDeflate: false }).on("connection", (down, { url }) =>
    downs.set(url, down),
  );
  clients.on("connection", (client, { url }) => {
    const down = downs.get(url);
    down.on("message", (data) => forward(data, client, down));
    client.on("message", (data) => down.send(data));
    client.on("close", () => down.close());
  });
  process.stdin.on("end", () => process.exit(0)).resume();
}

// Sends one frame; the source rests while more than the limit waits to be sent.
function forward(chunk, to, from) {
  to.send(chunk, { binary: true }, () => {
    if (to.bufferedAmount < bufferedBytesMax) from.resume();
  });
  if (to.bufferedAmount >= bufferedBytesMax) from.pause();
}
