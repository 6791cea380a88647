/** What `agentd doctor --json` prints. */
import * as z from "zod";

const Report = z.object({
  is_well: z.boolean(),
  findings: z.array(
    z.object({
      about: z.string(),
      check: z.string(),
      status: z.enum(["ok", "note", "warning", "wrong"]),
      found: z.string(),
      advice: z.string().optional(),
    }),
  ),
});

/** Throws when it is no report. */
export function readReport(stdout: string): z.infer<typeof Report> {
  return Report.parse(JSON.parse(stdout));
}
