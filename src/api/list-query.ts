/** The query of a list of sessions. */
import * as z from "zod";
import { SessionStatus } from "../protocol/session.ts";
import type { ListQuery } from "../supervisor/listing.ts";

/** Sessions that one answer lists. */
export const limitMax = 1000;

/** A time: Unix ms, or as ISO 8601 writes it. */
const Time = z.union([
  z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
  z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)),
]);

/** `GET /sessions`; each `tag.NAME` beside these asks for a tag. */
export const ListRequest = z.looseObject({
  state: z.union([SessionStatus, z.enum(["live", "ended"])]).optional(),
  agent: z.string().optional(),
  work_dir: z.string().optional(),
  task_id: z.string().optional(),
  id_prefix: z
    .string()
    .regex(/^[A-Za-z0-9-]{0,64}$/)
    .optional(),
  since: Time.optional(),
  until: Time.optional(),
  order: z.enum(["oldest", "newest"]).default("oldest"),
  limit: z.coerce.number().int().min(1).max(limitMax).default(limitMax),
  after: z.string().optional(),
});

export function listQueryOf(asked: unknown): ListQuery {
  const query = ListRequest.parse(asked);
  const { state, agent, since, until, order, limit, after } = query;
  const standing = state === "live" || state === "ended" ? state : undefined;
  const tags: Record<string, string> = {};
  for (const [key, value] of Object.entries(query)) if (key.startsWith("tag.")) tags[key.slice(4)] = String(value);
  return {
    standing,
    status: standing === undefined ? SessionStatus.optional().parse(state) : undefined,
    agent,
    workDir: query.work_dir,
    taskId: query.task_id,
    idPrefix: query.id_prefix,
    tags,
    since,
    until,
    order,
    limit,
    after,
  };
}
