/** The file of `agentd dispatch`: one task, or several with what they have in common. */
import * as z from "zod";
import { SessionRequest } from "./http.ts";

/** Tasks in one file. */
export const tasksMax = 1000;

/** Several. Each is what `POST /sessions` takes, with what `defaults` say where it says nothing itself. */
const Tasks = z.strictObject({
  defaults: SessionRequest.partial().optional(),
  tasks: z.array(SessionRequest.partial()).min(1).max(tasksMax),
});

/** For editors: what they complete and mark in such a file. */
export function dispatchSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(z.union([SessionRequest, Tasks]), { io: "input", unrepresentable: "any" });
  return { ...schema, title: "agentd dispatch", description: "A task for agentd, or several" };
}
