/** The end of a session's container. */
import { type Engine, engineFault, isMissing, statusOf } from "./engine.ts";

/** Resolves when it is no longer there. */
export async function removeContainer(engine: Engine, idOrName: string): Promise<void> {
  const container = engine.getContainer(idOrName);
  try {
    await container.remove({ force: true, v: true });
  } catch (error) {
    if (isMissing(error)) return;
    // Its removal is under way: it is waited for.
    if (statusOf(error) !== 409) throw engineFault(error, `remove the container "${idOrName}"`);
    await container.wait({ condition: "removed" }).catch(() => undefined);
  }
}
