/** The versions of the agents' programs that this agentd is tested with. A test holds them to the pins of package.json. */
import * as z from "zod";

export const TestedName = z.enum(["claude", "codex", "opencode"]);
export type TestedName = z.infer<typeof TestedName>;

export interface TestedAgent {
  /** For people. */
  title: string;
  /** Its package in the npm registry. */
  package: string;
  /** The first and the last version that the tests have passed with; the last one is what is installed. */
  oldest: string;
  newest: string;
}

export const testedAgents: Readonly<Record<TestedName, TestedAgent>> = {
  claude: { title: "Claude Code", package: "@anthropic-ai/claude-code", oldest: "2.1.329", newest: "2.1.329" },
  codex: { title: "Codex", package: "@openai/codex", oldest: "0.169.0", newest: "0.169.0" },
  opencode: { title: "OpenCode", package: "opencode-ai", oldest: "1.18.33", newest: "1.18.33" },
};

export type VersionPlace = "tested" | "older" | "newer" | "unreadable";

/** Where a version stands to the tested ones. */
export function placeOf(version: string | undefined, { oldest, newest }: TestedAgent): VersionPlace {
  if (version === undefined) return "unreadable";
  if (compareVersions(version, oldest) < 0) return "older";
  return compareVersions(version, newest) > 0 ? "newer" : "tested";
}

/** The first thing in a text that looks like a version; a mark behind it, as in `1.2.0-beta.1`, belongs to it. */
export function versionIn(text: string): string | undefined {
  return /\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?/.exec(text)?.[0];
}

/** Numbers first; one with a mark comes before the same without, as everywhere. */
export function compareVersions(one: string, other: string): number {
  const [a, b] = [partsOf(one), partsOf(other)];
  for (let i = 0; i < 3; i++) {
    const difference = (a.numbers[i] ?? 0) - (b.numbers[i] ?? 0);
    if (difference !== 0) return difference;
  }
  if (a.mark === b.mark) return 0;
  if (a.mark === "" || b.mark === "") return a.mark === "" ? 1 : -1;
  return a.mark < b.mark ? -1 : 1;
}

function partsOf(version: string): { numbers: number[]; mark: string } {
  const [plain = "", ...mark] = version.split("-");
  return { numbers: plain.split(".").map(Number), mark: mark.join("-") };
}
