/**
 * A server of an attacker's: at `/page` a page of its own; all else it hands to the daemon as it came, which is what a name
 * does that is bound to this machine once its page is there. Below `/bare/` the daemon's answers lack the headers that keep
 * them from being pages; below `/lax/` it is what a daemon would be that asks neither where a request is from nor what it says it is.
 */
import { request as ask, createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Duplex } from "node:stream";

export interface Relay {
  readonly port: number;
  close(): Promise<void>;
}

const page = "<!doctype html><title>a page</title><p>A page of somebody else's.";

export async function openRelay(daemonUrl: string): Promise<Relay> {
  const to = new URL(daemonUrl);
  const tunnels = new Set<Duplex>();
  const server = createServer((request, response) => {
    if (request.url === "/page") response.setHeader("content-type", "text/html").end(page);
    else if (request.url?.startsWith("/lax/")) void takeAnything(request, response, to);
    else forward(request, response, to);
  });
  server.on("upgrade", (request, socket, head) => {
    tunnels.add(socket);
    const daemon = connect(Number(to.port), to.hostname, () => {
      daemon.write(headOf(request));
      daemon.write(head);
      daemon.pipe(socket).pipe(daemon);
    });
    const end = () => {
      daemon.destroy();
      socket.destroy();
    };
    for (const side of [daemon, socket]) side.on("error", end).on("close", end);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of tunnels) socket.destroy();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** With host, origin and what else a browser says of itself as they are. */
function forward(request: IncomingMessage, response: ServerResponse, { hostname, port }: URL): void {
  const { method, url = "/" } = request;
  const isBare = url.startsWith("/bare/");
  const headers = isBare ? { host: "localhost" } : request.headers;
  const path = isBare ? url.slice("/bare".length) : url;
  const asked = ask({ hostname, port, method, path, headers, agent: false }, (answer) => {
    response.writeHead(answer.statusCode ?? 0, isBare ? { "content-type": "text/html" } : answer.headers);
    answer.pipe(response);
  });
  // Whoever goes away in the midst of an answer is gone on both sides.
  asked.on("error", () => response.destroy());
  response.on("close", () => asked.destroy());
  request.pipe(asked);
}

/** Whoever asks, and whatever they call it. */
async function takeAnything(
  request: IncomingMessage,
  response: ServerResponse,
  { hostname, port }: URL,
): Promise<void> {
  response.setHeader("access-control-allow-origin", "*").setHeader("access-control-allow-headers", "content-type");
  if (request.method === "OPTIONS") return void response.writeHead(204).end();
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = wordsOf(String(request.headers["content-type"]), Buffer.concat(chunks).toString("utf8"));
  const path = request.url?.slice("/lax".length);
  const headers = { host: "localhost", "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const asked = ask({ hostname, port, method: "POST", path, headers, agent: false }, (answer) => {
    response.writeHead(answer.statusCode ?? 0, { "content-type": "application/json" });
    answer.pipe(response);
  });
  asked.on("error", () => response.destroy());
  asked.end(body);
}

/** What somebody wrote into a form, out of its wrapping. */
function wordsOf(type: string, body: string): string {
  if (type.startsWith("application/x-www-form-urlencoded")) return decodeURIComponent(body.replaceAll("+", " "));
  const [, name = "", value = ""] = /name="(.*)"\r\n\r\n(.*)\r\n--/s.exec(body) ?? [];
  return type.startsWith("multipart/form-data") ? `${name.replaceAll("%22", '"')}=${value}` : body;
}

function headOf({ method, url, rawHeaders }: IncomingMessage): string {
  const lines = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]}\r\n`] : []));
  return `${method} ${url} HTTP/1.1\r\n${lines.join("")}\r\n`;
}
