/**
 * Faults that are put into the product on purpose: the torture must find each of them, or it proves nothing. Each is a few
 * words of the sources in another wording; words that are no longer there, or there twice, are an error.
 */
import type { Weights } from "./faults.ts";

export interface Mutation {
  name: string;
  /** What goes wrong with it. */
  fault: string;
  edits: readonly { file: string; find: string; put: string }[];
  /** Accidents that show it, to be had more often than usual. */
  weights?: Weights;
  /** Only who talks in chats can see it. */
  isOfChats?: true;
}

export const mutations: readonly Mutation[] = [
  {
    name: "ack-before-store",
    fault: "the daemon tells sidecars and clients of lines that are on their way to the disk only",
    edits: [
      {
        file: "src/session/log.ts",
        find: "        await this.#write(batch);\n",
        put: `        this.#options.onWritten(batch);
        await new Promise((resume) => setTimeout(resume, 100));
        await this.#write(batch);
`,
      },
      {
        file: "src/session/log.ts",
        find: "        this.#options.onWritten(batch);\n        this.#tell",
        put: "        this.#tell",
      },
    ],
  },
  {
    name: "skip-seq-at-adoption",
    fault: "a daemon that takes a session over leaves a number out",
    edits: [
      {
        file: "src/session/session.ts",
        find: "this.#seq = tail.seq;",
        put: "this.#seq = tail.seq + Math.sign(tail.seq);",
      },
    ],
  },
  {
    name: "drop-queued-at-recovery",
    fault: "of the prompts that wait only the first comes back after a restart",
    edits: [
      {
        file: "src/session/turn-queue.ts",
        find: "this.#waiting = [...prompts];",
        put: "this.#waiting = prompts.slice(0, 1);",
      },
    ],
  },
  {
    name: "run-keyed-prompt-twice",
    fault: "the answer to a key is not kept, and a prompt is not known by its key",
    edits: [
      {
        file: "src/api/idempotency.ts",
        find: "    await this.#book.keep(key, answer);\n",
        put: "",
      },
      {
        file: "src/api/recall.ts",
        find: "if (turnId !== undefined) {",
        put: 'if (turnId !== undefined && kind === "steer") {',
      },
    ],
  },
  {
    name: "forget-chat-message-key",
    isOfChats: true,
    fault: "what came of a message of a chat is not found again by its key",
    edits: [
      {
        file: "src/api/chat-routes.ts",
        find: "const sent = await chats.sent(name, SendingIntent.parse(intent).session_id);",
        put: "const sent = (await chats.sent(name, SendingIntent.parse(intent).session_id)) && undefined;",
      },
    ],
  },
  {
    name: "lose-chat-message",
    isOfChats: true,
    fault: "a message of a chat that waits is forgotten when its daemon dies",
    edits: [
      {
        file: "src/chats/beginnings.ts",
        find: "for (const { chat } of await book.waiting()) void",
        put: `for (const step of await book.waiting())
      if (!(await supervisor.find(step.session_id))) await book.drop(step);
    for (const { chat } of await book.waiting()) void`,
      },
    ],
  },
  {
    name: "create-keyed-twice",
    fault: "a creation that is sent again, with the same key, makes another session",
    edits: [
      {
        file: "src/api/idempotency.ts",
        find: "return earlier.answer ?? (await this.#takeUp(key, earlier, once));",
        put: "return this.#act(key, once.intent, once);",
      },
    ],
  },
  {
    name: "lose-spool-at-sigterm",
    fault: "a sidecar that is told to end takes its spool with it",
    edits: [
      {
        file: "sidecar/main.ts",
        find: 'import { rmSync } from "node:fs";',
        put: 'import { readdirSync, rmSync } from "node:fs";',
      },
      {
        file: "sidecar/main.ts",
        find: "  sidecar.spool?.close();\n",
        put: `  sidecar.spool?.close();
  if (isSignalled)
    for (const name of readdirSync(assignment.bootstrap.session_dir))
      if (name.startsWith("spool-")) rmSync(assignment.bootstrap.session_dir + "/" + name);
`,
      },
    ],
  },
  {
    name: "leave-spool-of-dead-sidecar",
    fault: "what a dead sidecar left on disk is not taken in",
    edits: [
      {
        file: "src/supervisor/departure.ts",
        find: "      this.#session.appendBatch(batch);\n",
        put: "      if (batch.length === 0) this.#session.appendBatch(batch);\n",
      },
    ],
  },
  {
    name: "trim-spool-too-early",
    fault: "a sidecar takes what it has written for acknowledged, and forgets it",
    weights: { "kill daemon and agent": 40 },
    edits: [
      {
        file: "sidecar/spool.ts",
        find: "    else if (!this.#store(batch)) this.#waitForRoom(batch);\n",
        put: `    else if (!this.#store(batch)) this.#waitForRoom(batch);
    else this.ack(batch.lastSeq);
`,
      },
      {
        file: "sidecar/spool.ts",
        find: "    this.#ackedSeq = seq;\n",
        put: `    this.#ackedSeq = seq;
    this.#closeFile();
    while (this.#segments.length > 0) this.#removeOldest();
`,
      },
    ],
  },
  {
    name: "forget-approval",
    fault: "a question that was open is not open after a restart",
    edits: [
      {
        file: "src/supervisor/attendance.ts",
        find: "    await readInputs(this.session, this.session.inputs, this.session.checkpoint);\n",
        put: "",
      },
    ],
  },
  {
    name: "leave-process",
    fault: "what an agent started is not looked for when the session ends",
    edits: [
      {
        file: "src/process/tree.ts",
        find: "if (pid !== process.pid && isMarked(pid, options)) found.add(pid);",
        put: "isMarked(pid, options);",
      },
      { file: "src/process/tree.ts", find: "(options.cgroup?.pids() ?? [])", put: "([] as number[])" },
    ],
  },
  {
    name: "lose-frame-at-reconnect",
    fault: "a client that comes back is not shown what happened meanwhile",
    edits: [
      {
        file: "src/bridge/bridge.ts",
        find: "let cursor = Math.min(since ?? replayTo, replayTo);",
        put: "let cursor = since === 0 ? 0 : replayTo;",
      },
    ],
  },
  {
    name: "two-exits",
    fault: "an exit that was in the log when the daemon died is not seen",
    edits: [
      {
        file: "src/session/session.ts",
        find: "this.foundExit = exitIn(await writer.read(tail.start, tail.lineEnd));",
        put: "this.foundExit = undefined;\n    exitIn(await writer.read(tail.start, tail.lineEnd));",
      },
    ],
  },
  {
    name: "wrong-final-state",
    fault: "a session that was lost counts as completed",
    edits: [
      {
        file: "src/session/lifecycle.ts",
        find: 'const status = reason === "finished" && input.exitCode === 0 ? "completed" : "failed";',
        put: 'const status = reason === "stopped" ? "failed" : "completed";',
      },
    ],
  },
  {
    name: "keep-torn-line",
    fault: "half a line at the end of a log stays there",
    edits: [
      { file: "src/session/log.ts", find: "      if (tail.end < size) await file.truncate(tail.end);\n", put: "" },
      {
        file: "src/session/log.ts",
        find: "writer: new LogWriter(options, file, tail.end), tail",
        put: "writer: new LogWriter(options, file, size), tail",
      },
    ],
  },
  {
    name: "steer-unrecorded",
    fault: "a steer is given to the agent and written nowhere",
    edits: [
      { file: "sidecar/agent-commands.ts", find: "    if (record)\n", put: "    if (record && text.length === 0)\n" },
    ],
  },
];
