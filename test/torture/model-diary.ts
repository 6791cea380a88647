/** What reached the scripted models of real agents, by the mark at the end of each prompt: no two of a run are alike. */
import { type ModelRequest, saidIn } from "../support/model-words.ts";

export interface Heard {
  /** How often the conversation has it in which it stands most often: more than once, and its agent was given it again. */
  times: number;
}

const mark = /\[\w+(?:\.\d+)+\]/g;
const markOf = (text: string): string => text.match(mark)?.at(-1) ?? text;

export class ModelDiary {
  readonly #heard = new Map<string, Heard>();

  note(request: ModelRequest): void {
    // Looked for within: Claude Code 2.1.329 makes one message of several that came before it began.
    const marks = saidIn(request).flatMap((text) => text.match(mark) ?? []);
    for (const one of new Set(marks)) {
      const heard = this.#of(one);
      heard.times = Math.max(heard.times, marks.filter((other) => other === one).length);
    }
  }

  heard(text: string): Heard {
    return this.#heard.get(markOf(text)) ?? { times: 0 };
  }

  #of(one: string): Heard {
    const heard = this.#heard.get(one) ?? { times: 0 };
    this.#heard.set(one, heard);
    return heard;
  }
}
