/** Recordings of the agents' own lines, and what may befall such lines: lost, doubled, reordered, cut, of another type. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";

const home = fileURLToPath(new URL("../fixtures/transcripts", import.meta.url));

/** All recordings of an agent, as lines. */
export function recordingsOf(agent: "claude" | "codex" | "opencode" | "acp"): string[][] {
  return readdirSync(`${home}/${agent}`).map((name) =>
    readFileSync(`${home}/${agent}/${name}/raw.ndjson`, "utf8").split("\n").slice(0, -1),
  );
}

/** A recording after one to eight accidents. */
export function mutated(recordings: readonly string[][]): fc.Arbitrary<string[]> {
  return fc
    .tuple(fc.constantFrom(...recordings), fc.array(mutation, { minLength: 1, maxLength: 8 }))
    .map(([lines, mutations]) => mutate(lines, mutations));
}

type Mutation =
  | { kind: "drop" | "double"; at: number }
  | { kind: "swap"; at: number; with: number }
  | { kind: "cut"; at: number; length: number }
  | { kind: "retype"; at: number; member: number; value: unknown };

const at = fc.nat(400);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constantFrom("drop" as const, "double" as const), at }),
  fc.record({ kind: fc.constant("swap" as const), at, with: at }),
  fc.record({ kind: fc.constant("cut" as const), at, length: fc.nat(400) }),
  fc.record({
    kind: fc.constant("retype" as const),
    at,
    member: fc.nat(60),
    value: fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant(undefined)),
  }),
);

function mutate(lines: readonly string[], mutations: readonly Mutation[]): string[] {
  const out = [...lines];
  for (const change of mutations) {
    const i = change.at % out.length;
    const line = out[i] ?? "";
    if (change.kind === "drop" && out.length > 1) out.splice(i, 1);
    else if (change.kind === "double") out.splice(i, 0, line);
    else if (change.kind === "swap") {
      const j = change.with % out.length;
      out[i] = out[j] ?? "";
      out[j] = line;
    } else if (change.kind === "cut") out[i] = line.slice(0, change.length);
    else if (change.kind === "retype") out[i] = retype(line, change.member, change.value);
  }
  return out;
}

/** Puts a value of another kind in place of the n-th member, at whatever depth. */
function retype(line: string, member: number, value: unknown): string {
  let count = 0;
  try {
    return JSON.stringify(JSON.parse(line, (_key, old: unknown) => (count++ === member ? value : old))) ?? "";
  } catch {
    return line;
  }
}
