/** What a session may bring along for its agent, the same for every agent: tool servers and images. */
import * as z from "zod";

/** An MCP server as a harness gets it: checked, its address complete. */
export const McpServerSpec = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("http"),
    name: z.string(),
    url: z.string(),
    /** Sent as `Authorization: Bearer`. */
    token: z.string().optional(),
  }),
  z.object({
    type: z.literal("stdio"),
    name: z.string(),
    /** argv; run by the agent, inside the session, with the agent's rights. */
    command: z.array(z.string()).min(1),
    env: z.record(z.string(), z.string()),
  }),
]);
export type McpServerSpec = z.infer<typeof McpServerSpec>;

/** A picture in a prompt, base64. */
export const Image = z.strictObject({
  media_type: z.enum(["image/png", "image/jpeg", "image/gif", "image/webp"]),
  data: z.base64(),
});
export type Image = z.infer<typeof Image>;

/** A picture as the log names it: a file in the session's blobs. */
export const StoredImage = z.object({
  media_type: Image.shape.media_type,
  blob: z.string().regex(/^img-t\d+-\d+\.[a-z]+$/),
  bytes: z.number(),
});
export type StoredImage = z.infer<typeof StoredImage>;
