/** `agentd export`: a session's whole conversation as a page for people or as the lines of its log. Any size costs the same memory. */
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Readable, Transform, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { StringDecoder } from "node:string_decoder";
import * as z from "zod";
import { findLoggedSession, unlessMissing } from "../src/client/find-session.ts";
import { getSession, readLog } from "../src/client/sessions.ts";
import { errnoOf, messageOf } from "../src/protocol/error.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";
import { formatBytes } from "./figures.ts";
import { MarkdownPage, pageHead } from "./markdown-page.ts";

export const ExportOptions = DaemonOptions.extend({
  format: z.enum(["md", "ndjson"]).default("md"),
  output: z.string().optional(),
});

/** A line is no longer than this where the daemon wrote it; what is longer is of another program, and is cut. */
const lineCharsMax = 16 * 1024 * 1024;

export async function exportSession(
  typedId: string,
  options: z.infer<typeof ExportOptions>,
  { env, terminal }: CommandContext,
): Promise<number> {
  const address = await locate(options, env);
  const sessionId = await findLoggedSession(address, typedId);
  const view = await unlessMissing(getSession(address, sessionId));
  const progress = terminal.progress();
  let readBytes = 0;
  const log = readLog(address, sessionId, 0);
  const counted = async function* () {
    for await (const chunk of log) {
      readBytes += chunk.length;
      progress.say(`Exporting ${sessionId}: ${formatBytes(readBytes)}${shareOf(readBytes, view?.log_bytes)}`);
      yield chunk;
    }
  };
  const bytes = Readable.from(counted(), { objectMode: false });
  const page = options.format === "md" ? [asPage(sessionId, pageHead(sessionId, view))] : [];
  try {
    if (options.output === undefined) await pipeline([bytes, ...page, process.stdout], { end: false });
    else await writeWhole(options.output, (file) => pipeline([bytes, ...page, file]));
  } finally {
    progress.end();
  }
  if (options.output !== undefined)
    terminal.note(`Exported session ${sessionId} to ${options.output}: ${formatBytes(readBytes)} of log`);
  return exitCode.ok;
}

function shareOf(bytes: number, whole: number | undefined): string {
  return whole === undefined || whole === 0 ? "" : `, ${Math.min(100, Math.floor((bytes / whole) * 100))}%`;
}

/** Under another name until it is whole: what a broken export leaves must not look like one. It is as private as the log. */
async function writeWhole(path: string, fill: (file: Writable) => Promise<void>): Promise<void> {
  const draft = `${path}.${process.pid}.part`;
  try {
    await fill(createWriteStream(draft, { mode: 0o600, flags: "wx" }));
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    const isOurs = error instanceof Error && "syscall" in error && "path" in error;
    if (!isOurs) throw error;
    throw new Error(
      `Cannot write the export to "${path}": ${reasonOf(error, path)}. Name a file in a folder that you may write to with --output`,
      { cause: error },
    );
  }
}

/** Of the draft nobody has heard. */
function reasonOf(error: Error, path: string): string {
  switch (errnoOf(error)) {
    case "ENOENT":
      return `there is no folder "${dirname(resolve(path))}"`;
    case "ENOTDIR":
      return `"${dirname(resolve(path))}" is no folder`;
    case "EISDIR":
      return "it is a folder";
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return `the folder "${dirname(resolve(path))}" may not be written to`;
    case "ENOSPC":
      return "the disk is full";
    default:
      return errnoOf(error) ?? messageOf(error);
  }
}

function asPage(sessionId: string, head: string): Transform {
  const page = new MarkdownPage(sessionId);
  const decoder = new StringDecoder("utf8");
  let torn = "";
  return new Transform({
    construct(done) {
      this.push(head);
      done();
    },
    transform(chunk: Buffer, _encoding, done) {
      const text = torn + decoder.write(chunk);
      const end = text.lastIndexOf("\n");
      torn = text.slice(end + 1, end + 1 + lineCharsMax);
      const lines = end === -1 ? [] : text.slice(0, end).split("\n");
      done(null, lines.map((line) => (line.trim() === "" ? "" : page.line(line))).join(""));
    },
    flush(done) {
      const last = torn + decoder.end();
      done(null, (last.trim() === "" ? "" : page.line(last)) + page.end());
    },
  });
}
