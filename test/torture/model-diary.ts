/** What reached the scripted models of real agents, by what was prompted: no two texts of a run are alike. */
import { type ModelRequest, saidIn } from "../support/model-words.ts";

export interface Heard {
  /** How often the conversation has it in which it stands most often: more than once, and its agent was given it again. */
  times: number;
  /** How many answers to it, as the last thing said, have left whole. */
  answers: number;
}

export class ModelDiary {
  readonly #heard = new Map<string, Heard>();

  /** Called when the answer to a request has left, or never will. */
  note(request: ModelRequest, { isWhole }: { isWhole: boolean }): void {
    const said = saidIn(request);
    for (const text of new Set(said)) {
      const heard = this.#of(text);
      heard.times = Math.max(heard.times, said.filter((other) => other === text).length);
    }
    const last = said.at(-1);
    // An agent asks for titles too, without tools: that is no answer to anybody.
    if (last !== undefined && isWhole && request.tools?.length !== 0) this.#of(last).answers += 1;
  }

  heard(text: string): Heard {
    return this.#heard.get(text) ?? { times: 0, answers: 0 };
  }

  #of(text: string): Heard {
    const heard = this.#heard.get(text) ?? { times: 0, answers: 0 };
    this.#heard.set(text, heard);
    return heard;
  }
}
