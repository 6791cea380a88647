/** Values of options and arguments, checked as they are read: what is wrong is said of the option, and before anything is done. */
import { InvalidArgumentError } from "commander";
import { Duration } from "../src/protocol/duration.ts";

export function parsePort(text: string): number {
  const port = parseCount(text);
  if (port > 65_535) throw new InvalidArgumentError("expected a port from 0 to 65535.");
  return port;
}

/** A whole number from 0. */
export function parseCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(count)) throw new InvalidArgumentError("expected a whole number, not negative.");
  return count;
}

export function parsePositive(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(count) || count === 0) throw new InvalidArgumentError("expected a whole number above 0.");
  return count;
}

/** The text stays as it is: the configuration and the daemon read durations themselves. */
export function checkDuration(text: string): string {
  const found = Duration.safeParse(text);
  if (!found.success) throw new InvalidArgumentError(`${found.error.issues[0]?.message ?? "expected a duration"}.`);
  return text;
}

/** An empty one is a shell variable that nobody has set: what stands for it here is not what was meant. */
export function checkNotEmpty(text: string): string {
  if (text === "") throw new InvalidArgumentError("it is empty. Leave the option out for its default.");
  return text;
}

/** Nothing and dots would be other addresses of the daemon than a session's. */
export function checkSession(text: string): string {
  if (!/^[\s.]*$/.test(text)) return text;
  throw new InvalidArgumentError('expected an id, the beginning of one, or a name. See them with "agentd ls --all"');
}

/** The words of each parser that knows some; commander's own choices would say a mistake in other words. */
const known = new WeakMap<object, readonly string[]>();

export function oneOf(words: readonly string[]): (text: string) => string {
  const parse = (text: string) => {
    if (!words.includes(text))
      throw new InvalidArgumentError(`expected ${words.slice(0, -1).join(", ")} or ${words.at(-1)}.`);
    return text;
  };
  known.set(parse, words);
  return parse;
}

export function choicesOf(parse: object | undefined): readonly string[] | undefined {
  return parse && known.get(parse);
}

const parseKnownRuntime = oneOf(["local", "docker"]);

/** The Go daemon had a third runtime: who still asks for it is told what to ask for now. */
export function parseRuntime(name: string): string {
  if (name !== "local-pipe") return parseKnownRuntime(name);
  throw new InvalidArgumentError("local-pipe is gone: use --runtime local, which does the same and survives restarts.");
}
known.set(parseRuntime, ["local", "docker"]);

export function collect(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}
