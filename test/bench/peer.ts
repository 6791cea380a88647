/**
 * `tsx test/bench/peer.ts [--sandbox-agent PATH] [--acpx PATH] [--count N]`: the same ACP agent, which answers with N pieces of
 * text, through agentd, through sandbox-agent (npm `@sandbox-agent/cli-linux-x64`) and through acpx (npm `acpx`), each with one
 * client that reads its stream: pieces a second, how many arrived, and milliseconds from the first request to the first piece.
 * Not part of `npm run bench`: it wants programs that are not among our dependencies.
 */
import { chmod, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import { percentile } from "./process-figures.ts";

interface Run {
  pieces: number;
  firstMs: number;
  seconds: number;
}

const { values: flags } = parseArgs({
  options: {
    "sandbox-agent": { type: "string" },
    acpx: { type: "string" },
    count: { type: "string", default: "100000" },
  },
});
const count = Math.ceil(Number(flags.count) / 300) * 300;
const agent = fileURLToPath(new URL("agents/acp-flood.mjs", import.meta.url));
const runs = 5;
/** A stream that has said nothing for so long has lost what is missing. */
const silenceMs = 5_000;

report("agentd", await measure(throughAgentd));
const { "sandbox-agent": sandboxAgent, acpx } = flags;
if (sandboxAgent !== undefined) report("sandbox-agent", await measure((run) => throughSandboxAgent(sandboxAgent, run)));
if (acpx !== undefined) report("acpx", await measure((run) => throughAcpx(acpx, run)));

async function measure(through: (run: (measureOne: () => Promise<Run>) => Promise<void>) => Promise<void>) {
  const measured: Run[] = [];
  await through(async (measureOne) => {
    for (let i = 0; i < runs; i++) measured.push(await measureOne());
  });
  return measured;
}

async function throughAgentd(run: (measureOne: () => Promise<Run>) => Promise<void>): Promise<void> {
  const agents = { flood: { harness: "acp", command: process.execPath, args: [agent, String(count)] } };
  const daemon = await startDaemon({ config: { agents } });
  try {
    await run(async () => {
      // As people do: the pool of ready sidecars is filled in between.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const start = performance.now();
      const { body, text } = await daemon.post("/sessions", { agent: "flood", prompt: "go" });
      if (!body?.session_id) throw new Error(`Cannot start a session: ${text}`);
      const client = await daemon.ws(body.session_id, 0);
      client.socket.removeAllListeners("message");
      const reader = readerOf(start, /\\"delta\\":true|"delta":true/g);
      client.socket.on("message", (data) => {
        const frame = JSON.parse(String(data)) as { type: string; data?: string };
        if (frame.type === "replay") reader.take(Buffer.from(frame.data ?? "", "base64").toString());
        else if (frame.type === "stdout") reader.take(frame.data ?? "");
      });
      const done = await reader.done;
      client.socket.terminate();
      await daemon.delete(`/sessions/${body.session_id}`);
      return done;
    });
  } finally {
    await daemon.stop();
  }
}

/** It is no daemon: one process a prompt, whose client is whoever reads its pipe. Nothing is kept for one that comes later. */
async function throughAcpx(program: string, run: (measureOne: () => Promise<Run>) => Promise<void>): Promise<void> {
  const folder = await tempDir();
  const flood = `${process.execPath} ${agent} ${count}`;
  const args = ["--agent", flood, "--format", "json", "--approve-all", "--cwd", folder.path, "exec", "go"];
  try {
    await run(async () => {
      const start = performance.now();
      const reader = readerOf(start, /agent_message_chunk/g);
      const child = execa(process.execPath, [program, ...args], {
        env: { HOME: folder.path },
        stdin: "ignore",
        buffer: false,
        reject: false,
      });
      child.stdout.on("data", (data) => reader.take(data.toString("latin1")));
      const done = await reader.done;
      await child;
      return done;
    });
  } finally {
    await folder.remove();
  }
}

async function throughSandboxAgent(
  program: string,
  run: (measureOne: () => Promise<Run>) => Promise<void>,
): Promise<void> {
  const folder = await tempDir();
  const fake = join(folder.path, "opencode");
  await writeFile(fake, `#!/bin/sh\nexec ${process.execPath} ${agent} "$@"\n`);
  await chmod(fake, 0o755);
  const port = 24_680;
  const env = { HOME: folder.path, PATH: `${folder.path}:${process.env["PATH"]}`, ACP_FLOOD: String(count) };
  const server = execa(program, ["server", "-n", "-p", String(port), "--no-telemetry"], { env, reject: false });
  const url = `http://127.0.0.1:${port}/v1/acp`;
  try {
    await eventually(async () => (await fetch(`http://127.0.0.1:${port}/v1/health`)).ok, { what: "its start" });
    let sessions = 0;
    await run(async () => {
      const id = `bench${++sessions}`;
      const start = performance.now();
      const call = async (method: string, params: object, query = "") => {
        const answer = await fetch(`${url}/${id}${query}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ jsonrpc: "2.0", id: method, method, params }),
        });
        if (!answer.ok) throw new Error(`${method}: ${answer.status} ${await answer.text()}`);
        return JSON.parse(await answer.text()) as { result?: { sessionId?: string } };
      };
      await call("initialize", { protocolVersion: 1, clientCapabilities: {} }, "?agent=opencode");
      const { result } = await call("session/new", { cwd: folder.path, mcpServers: [] });
      const reader = readerOf(start, /agent_message_chunk/g);
      const stream = connect(port, "127.0.0.1");
      stream.write(`GET /v1/acp/${id} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n`);
      await new Promise((resolve) => stream.once("data", resolve));
      stream.on("data", (data) => reader.take(data.toString("latin1")));
      // Its answer may never come; what has come by the stream is what counts.
      call("session/prompt", { sessionId: result?.sessionId, prompt: [{ type: "text", text: "go" }] }).catch(() => {});
      const done = await reader.done;
      stream.destroy();
      // One that lost what it was to say may never answer this either.
      await fetch(`${url}/${id}`, { method: "DELETE", signal: AbortSignal.timeout(5_000) }).catch(() => {});
      return done;
    });
  } finally {
    server.kill();
    await server;
    await folder.remove();
  }
}

/** Counts pieces until the last one, or until nothing has come for a while: then the rest is lost. */
function readerOf(start: number, piece: RegExp): { take(text: string): void; done: Promise<Run> } {
  let pieces = 0;
  let firstMs = Number.NaN;
  let lastMs = start;
  let tail = "";
  let resolveDone: (run: Run) => void = () => undefined;
  const done = new Promise<Run>((resolve) => {
    resolveDone = resolve;
  });
  const finish = () => {
    clearInterval(watch);
    resolveDone({ pieces, firstMs, seconds: (lastMs - start - firstMs) / 1000 });
  };
  const watch = setInterval(() => {
    if (pieces > 0 && performance.now() - lastMs > silenceMs) finish();
  }, 500);
  return {
    done,
    take: (text) => {
      lastMs = performance.now();
      // A piece may lie across two reads; a name is counted where it ends.
      const joined = tail + text;
      pieces += [...joined.matchAll(piece)].length - [...tail.matchAll(piece)].length;
      tail = joined.slice(-64);
      if (pieces > 0 && Number.isNaN(firstMs)) firstMs = lastMs - start;
      if (joined.includes("flood-end")) finish();
    },
  };
}

function report(name: string, measured: readonly Run[]): void {
  const middle = (pick: (run: Run) => number) => percentile(measured.map(pick), 0.5);
  const lost = count + 1 - Math.min(...measured.map(({ pieces }) => pieces));
  console.log(
    `${name}: ${Math.round(middle(({ pieces, seconds }) => pieces / seconds)).toLocaleString("en-US")} pieces/s, first after ${middle(({ firstMs }) => firstMs).toFixed(0)} ms, lost at worst ${lost.toLocaleString("en-US")} of ${(count + 1).toLocaleString("en-US")}`,
  );
}
