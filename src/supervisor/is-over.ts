/** Whether a session is over, asked of its folder. */
import { errnoOf } from "../protocol/error.ts";
import { sessionHome } from "../session/home.ts";
import { readRecord } from "../session/record.ts";
import type { Context } from "./context.ts";

/** The index may be of another time or place: only the folder says that nobody writes there any more. */
export async function isOver({ config, registry }: Context, id: string): Promise<boolean> {
  if (registry.has(id)) return false;
  try {
    return (await readRecord(sessionHome(config.dataDir, id).record)).ended !== undefined;
  } catch (error) {
    // A deleted session keeps its log and has no record.
    return errnoOf(error) === "ENOENT";
  }
}
