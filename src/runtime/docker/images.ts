/** Whether an image is there and fits the engine's processor. */
import { AgentdError } from "../../protocol/error.ts";
import { type Engine, engineFault, isMissing, missingImage } from "./engine.ts";

/** Rejects with what to do about it. */
export async function checkImage(engine: Engine, image: string, act: string): Promise<void> {
  try {
    const [found, { Arch }] = await Promise.all([engine.getImage(image).inspect(), engine.version()]);
    if (found.Architecture === Arch) return;
    throw new AgentdError(
      "launch_failed",
      `Cannot ${act}: the image "${image}" is for ${found.Architecture}, and the engine runs on ${Arch}. Build it here: agentd images build`,
    );
  } catch (error) {
    if (isMissing(error)) throw missingImage(image, act);
    throw engineFault(error, act);
  }
}
