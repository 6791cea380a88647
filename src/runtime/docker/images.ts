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

/** Images that were found to fit once. Each start would ask again; an image that is gone since is missed by whoever makes a container of it. */
export class KnownImages {
  readonly #engine: Engine;
  readonly #known = new Set<string>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Rejects with what to do about it. */
  async check(image: string, act: string): Promise<void> {
    if (this.#known.has(image)) return;
    await checkImage(this.#engine, image, act);
    this.#known.add(image);
  }

  /** A container of it could not be made or did not start: what comes next is looked at anew. */
  forget(image: string): void {
    this.#known.delete(image);
  }
}
