/** The file of `agentd dispatch` → the requests it stands for, each checked before the first is sent. */
import { dirname, resolve } from "node:path";
import * as z from "zod";
import type { NewSession } from "../src/client/client.ts";
import type { Environment } from "../src/client/daemon-address.ts";
import { configFault } from "../src/config-fault.ts";
import { tasksMax } from "../src/protocol/dispatch.ts";
import { SessionRequest } from "../src/protocol/http.ts";
import { UsageError } from "./exit-code.ts";
import { readYaml } from "./yaml-file.ts";

export interface TaskFile {
  requests: NewSession[];
  /** It lists tasks; else it is one itself. */
  isList: boolean;
  /** Variables that the file names and that nobody has set. */
  unset: string[];
}

const Fields = z.record(z.string(), z.unknown());
const TaskList = z.strictObject({ defaults: Fields.default({}), tasks: z.array(Fields).min(1).max(tasksMax) });

/** Throws a UsageError that says what is wrong with which task. */
export async function readTaskFile(path: string, env: Environment): Promise<TaskFile> {
  const unset = new Set<string>();
  const written = expanded(await readYaml(path), env, unset);
  const isList = typeof written === "object" && written !== null && "tasks" in written;
  const requests = (isList ? listed(written, path) : [written]).map((task, index) =>
    requestOf(task, { path, what: isList ? `task ${index + 1} in "${path}"` : `"${path}"` }),
  );
  return { requests, isList, unset: [...unset] };
}

function listed(written: object, path: string): unknown[] {
  const list = TaskList.safeParse(written);
  if (list.success) return list.data.tasks.map((task) => ({ ...list.data.defaults, ...task }));
  if (list.error.issues.some(({ code }) => code === "unrecognized_keys"))
    throw new UsageError(`Cannot use "${path}": ${configFault(list.error, TaskList)}`);
  throw new UsageError(
    `Cannot use "${path}": expected "tasks", a list of 1 to ${tasksMax} tasks, and perhaps "defaults" for all of them`,
  );
}

function requestOf(task: unknown, { path, what }: { path: string; what: string }): NewSession {
  const fields = Fields.safeParse(task);
  if (!fields.success) throw new UsageError(`Cannot use ${what}: expected a task, such as {agent: claude, prompt: …}`);
  const request = withTexts(fields.data);
  // As other files' paths it begins where the file is.
  if (typeof request["work_dir"] === "string") request["work_dir"] = resolve(dirname(path), request["work_dir"]);
  const checked = SessionRequest.safeParse(request);
  if (!checked.success) throw new UsageError(`Cannot use ${what}: ${configFault(checked.error, SessionRequest)}`);
  return request as NewSession;
}

/** `PORT: 8080` is a number to YAML, and was meant as the text that a variable holds. */
function withTexts(fields: Record<string, unknown>): Record<string, unknown> {
  const texts = { ...fields };
  for (const key of ["env", "tags"]) {
    const values = Fields.safeParse(fields[key]).data;
    if (values) texts[key] = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, textOf(value)]));
  }
  return texts;
}

function textOf(value: unknown): unknown {
  return typeof value === "number" || typeof value === "boolean" ? String(value) : value;
}

/** Filled in by the daemon: it is no variable of ours. */
const daemons = ["HOST_GATEWAY"];
const variable = /\$(?:(\$)|\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g;

/** `$NAME` and `${NAME}` in every text, at any depth; `$$` is a dollar. What is not set is empty. */
function expanded(value: unknown, env: Environment, unset: Set<string>): unknown {
  if (typeof value === "string")
    return value.replaceAll(variable, (whole, dollar?: string, braced?: string, bare?: string) => {
      if (dollar !== undefined) return "$";
      const name = braced ?? bare ?? "";
      if (daemons.includes(name)) return whole;
      const set = env[name];
      if (set === undefined) unset.add(name);
      return set ?? "";
    });
  if (Array.isArray(value)) return value.map((one) => expanded(one, env, unset));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, expanded(inner, env, unset)]));
}
