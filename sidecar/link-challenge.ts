/** A daemon's link before it is one: the proofs of both sides. See src/protocol/link-proof.ts. */
import { randomBytes } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { WebSocket } from "ws";
import {
  challengeHeader,
  isChallenge,
  isProof,
  linkProof,
  ProofMessage,
  proofHeader,
} from "../src/protocol/link-proof.ts";

export interface LinkChallenge {
  /** Lines for the head of our answer. */
  readonly answer: readonly string[];
  /** Resolves with whether the other side has proved itself; never rejects. */
  proven(socket: WebSocket): Promise<boolean>;
}

const proofMs = 10_000;

/** Undefined when there is none: then whoever asks is no daemon of this version. */
export function challengeOf(headers: IncomingHttpHeaders, token: string): LinkChallenge | undefined {
  const asked = headers[challengeHeader];
  if (!isChallenge(asked)) return undefined;
  const challenges = { daemon: asked, sidecar: randomBytes(32).toString("base64url") };
  return {
    answer: [`${challengeHeader}: ${challenges.sidecar}`, `${proofHeader}: ${linkProof(token, "sidecar", challenges)}`],
    proven: (socket) =>
      firstMessage(socket).then((text) => isProof(proofIn(text), linkProof(token, "daemon", challenges))),
  };
}

/** Empty when none comes. */
function firstMessage(socket: WebSocket): Promise<string> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, proofMs, "");
    socket.once("message", (data) => {
      clearTimeout(timer);
      resolve(String(data));
    });
    socket.once("close", () => {
      clearTimeout(timer);
      resolve("");
    });
    // Told by its close.
    socket.on("error", () => undefined);
  });
}

function proofIn(text: string): string | undefined {
  try {
    return ProofMessage.safeParse(JSON.parse(text)).data?.data.proof;
  } catch {
    return undefined;
  }
}
