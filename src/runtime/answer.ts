/** A sidecar's answer to its bootstrap: the first line on its stdout. */
import { BootstrapAnswer } from "../protocol/bootstrap.ts";

const answerBytesMax = 64 * 1024;

/** Ends the stream when the time is up. */
export async function readAnswer(stdout: NodeJS.ReadableStream, timeoutMs: number): Promise<BootstrapAnswer> {
  let text = "";
  const deadline = setTimeout(() => {
    if ("destroy" in stdout && typeof stdout.destroy === "function") stdout.destroy();
  }, timeoutMs);
  try {
    for await (const chunk of stdout) {
      text += String(chunk);
      const end = text.indexOf("\n");
      if (end !== -1) return BootstrapAnswer.parse(JSON.parse(text.slice(0, end)));
      if (text.length > answerBytesMax) throw new Error("its answer is longer than 64 KiB");
    }
  } catch (error) {
    if (text === "") throw new Error(`it gave no answer within ${timeoutMs / 1000} s`, { cause: error });
    throw error;
  } finally {
    clearTimeout(deadline);
  }
  throw new Error(
    text === "" ? "it ended without an answer" : `its answer was cut: ${JSON.stringify(text.slice(0, 200))}`,
  );
}
