/**
 * What an untrusted checkout may say: its instructions and its agent definitions. The CLI reads these only together with
 * the checkout's settings, hooks and servers, so with those off we read them and hand them over at `initialize`.
 * Text only: hooks, servers and permission modes in an agent definition are left out.
 */
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import type { AgentConfig } from "../../src/protocol/bootstrap.ts";
import { errnoOf } from "../../src/protocol/error.ts";
import { readFrontMatter } from "../../src/protocol/front-matter.ts";
import type { AgentDefinition, Instructions } from "./stdin-lines.ts";

const fileBytesMax = 512 * 1024;
const totalCharactersMax = 1024 * 1024;
const agentsMax = 100;
/** As deep as the CLI itself follows imports. */
const importDepthMax = 5;
/** Files with instructions, imported ones included. */
const filesMax = 200;

export interface Place {
  workDir: string;
  /** The agent's own home: what is in there is read by the CLI itself. */
  home: string | undefined;
}

/** The request's own instructions come last, as the nearest. */
export function findInstructions(config: AgentConfig, place: Place): Instructions {
  const found = checkoutInstructions(config, place);
  const texts = [found.appendSystemPrompt, config.instructions].filter((text) => text !== undefined);
  return { ...found, ...(texts.length === 0 ? {} : { appendSystemPrompt: texts.join("\n\n") }) };
}

function checkoutInstructions(config: AgentConfig, asked: Place): Instructions {
  if (config.trust_workspace || config.bare) return {};
  const place = { ...asked, workDir: realPath(asked.workDir) ?? asked.workDir };
  const found: Instructions = {};
  if (isWanted(config, "claude_md")) {
    const text = instructionText(place);
    if (text !== "") found.appendSystemPrompt = text;
  }
  if (isWanted(config, "agents")) {
    const agents = agentDefinitions(place);
    if (Object.keys(agents).length > 0) found.agents = agents;
  }
  return found;
}

/** `true` or nothing: all; `false`: none; a map: what it sets to true. */
function isWanted({ auto_discover }: AgentConfig, category: string): boolean {
  if (typeof auto_discover === "object") return auto_discover[category] === true;
  return auto_discover ?? true;
}

/** From the top down, so that what is nearest is read last. */
function foldersOf(workDir: string): string[] {
  const folders = [workDir];
  for (let at = workDir; dirname(at) !== at; at = dirname(at)) folders.unshift(dirname(at));
  return folders;
}

/** The nearest folder above that is a repository, else the work dir: what a checkout's own files may lead to. */
function checkoutOf(workDir: string): string {
  return (
    foldersOf(workDir).findLast((folder) => [".git", ".hg", ".sl"].some((mark) => exists(join(folder, mark)))) ??
    workDir
  );
}

function instructionText({ workDir, home }: Place): string {
  const checkout = checkoutOf(workDir);
  const seen = new Set<string>();
  const pieces: string[] = [];
  for (const folder of foldersOf(workDir)) {
    const root = isInside(folder, checkout) ? checkout : folder;
    const read = (name: string) => readText({ path: join(folder, name), root, seen, depth: 0 });
    const hidden = folder === home ? [] : [join(".claude", "CLAUDE.md"), ...rulesOf(folder)];
    const own = ["CLAUDE.md", ...hidden, "CLAUDE.local.md"].flatMap(read);
    // As the CLI does: AGENTS.md speaks where no CLAUDE.md does.
    pieces.push(...(own.length > 0 ? own : read("AGENTS.md")));
  }
  if (pieces.length === 0) return "";
  const head = "Codebase and user instructions are shown below. Be sure to adhere to these instructions.";
  return [head, ...pieces].join("\n\n").slice(0, totalCharactersMax);
}

function rulesOf(folder: string): string[] {
  const rules = join(".claude", "rules");
  return markdownIn(join(folder, rules)).map((name) => join(rules, name));
}

interface TextFile {
  path: string;
  /** Nothing outside of this folder is read, whatever a link or an import says. */
  root: string;
  /** Files read already. */
  seen: Set<string>;
  depth: number;
}

/** The file and what it imports with `@path`, each under its name; nothing when there is no such file. */
function readText({ path, root, seen, depth }: TextFile): string[] {
  const real = allowed(path, root);
  if (real === undefined || seen.has(real) || seen.size >= filesMax) return [];
  seen.add(real);
  const { fields, body } = readFrontMatter(readSmall(real));
  // A rule for some paths only is not for every turn; the agent finds it when it needs it.
  if (fields["paths"] !== undefined || body.trim() === "") return [];
  const imports = depth < importDepthMax ? importsOf(body, dirname(path)) : [];
  const imported = imports.flatMap((next) => readText({ path: next, root, seen, depth: depth + 1 }));
  return [`Contents of ${path} (project instructions):\n\n${body.trim()}`, ...imported];
}

/** A link or an import that leads out could show the agent any file of ours. */
function allowed(path: string, root: string): string | undefined {
  const real = realPath(path);
  return real !== undefined && isInside(real, root) && statSync(real).isFile() ? real : undefined;
}

/** `@path` at the start of a line or after a space, outside of code. */
function importsOf(text: string, folder: string): string[] {
  const prose = text.replace(/```[\s\S]*?```|`[^`\n]*`/g, "");
  return [...prose.matchAll(/(?:^|\s)@([^\s@]+\.[A-Za-z]+)(?=\s|$|[.,;:)])/g)].map(([, name = ""]) =>
    resolve(folder, name),
  );
}

function agentDefinitions({ workDir, home }: Place): Record<string, AgentDefinition> {
  const checkout = checkoutOf(workDir);
  const agents: Record<string, AgentDefinition> = {};
  for (const folder of foldersOf(workDir)) {
    if (!isInside(folder, checkout) || folder === home) continue;
    const shelf = join(folder, ".claude", "agents");
    for (const name of markdownIn(shelf)) {
      const real = allowed(join(shelf, name), checkout);
      if (real === undefined) continue;
      const definition = agentDefinition(readSmall(real));
      if (definition && Object.keys(agents).length < agentsMax) agents[definition.name] = definition.agent;
    }
  }
  return agents;
}

export function agentDefinition(text: string): { name: string; agent: AgentDefinition } | undefined {
  const { fields, body } = readFrontMatter(text);
  const { name, description, tools, model } = fields;
  if (typeof name !== "string" || typeof description !== "string" || name === "" || body.trim() === "")
    return undefined;
  const listed = typeof tools === "string" ? tools.split(",").map((tool) => tool.trim()) : tools;
  const wanted = listed?.filter((tool) => tool !== "");
  return {
    name,
    agent: {
      description,
      prompt: body.trim(),
      // `*` and nothing both mean all tools.
      ...(wanted && wanted.length > 0 && !wanted.includes("*") ? { tools: wanted } : {}),
      ...(typeof model === "string" && model !== "" ? { model } : {}),
    },
  };
}

function markdownIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".md"))
      .sort();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
}

function readSmall(path: string): string {
  try {
    return statSync(path).size > fileBytesMax ? "" : readFileSync(path, "utf8");
  } catch (error) {
    // Unreadable instructions are no instructions; the agent can do without.
    if (errnoOf(error) === undefined) throw error;
    return "";
  }
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function exists(path: string): boolean {
  return realPath(path) !== undefined;
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
