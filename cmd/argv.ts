/**
 * Arguments as people and older scripts write them → as commander wants them. Pure.
 * Options may stand before the command, long ones may have one dash (`-port 8090`, as Go programs take them),
 * switches may be told `=true` or `=false`, and no command at all means `serve`.
 */

export interface KnownWords {
  /** Long options without their dashes; true for those that take a value. */
  options: ReadonlyMap<string, boolean>;
  /** Short options with their dash that take a value. */
  shortWithValue: ReadonlySet<string>;
}

export function normalizeArgv(argv: readonly string[], known: KnownWords): string[] {
  const options: string[] = [];
  let at = 0;
  // Everything up to the first word; then that word goes to the front.
  const out: string[] = [];
  let command: string | undefined;
  for (; at < argv.length; at++) {
    const argument = argv[at] ?? "";
    if (argument === "--") break;
    if (!argument.startsWith("-") || argument === "-") {
      if (command === undefined) command = argument;
      else out.push(argument);
      continue;
    }
    const option = normalizeOption(argument, known);
    if (option === undefined) continue;
    const target = command === undefined ? options : out;
    target.push(option);
    if (takesNext(option, known) && at + 1 < argv.length) target.push(argv[++at] ?? "");
  }
  const rest = argv.slice(at);
  // `agentd --help` and `agentd --version` are about the program, not about serving.
  if (command === undefined && options.some((option) => ["--help", "-h", "--version", "-V"].includes(option)))
    return [...options, ...rest];
  return [command ?? "serve", ...options, ...out, ...rest];
}

function normalizeOption(argument: string, known: KnownWords): string | undefined {
  const found = /^(--?)([A-Za-z][A-Za-z0-9-]+)(?:=([\s\S]*))?$/.exec(argument);
  const name = found?.[2];
  if (found === null || name === undefined || !known.options.has(name)) return argument;
  const value = found[3];
  if (value === undefined) return `--${name}`;
  if (known.options.get(name) === true) return `--${name}=${value}`;
  // Go's switches: absent is false already.
  if (value === "false") return undefined;
  return value === "true" ? `--${name}` : `--${name}=${value}`;
}

function takesNext(option: string, known: KnownWords): boolean {
  return known.shortWithValue.has(option) || (option.startsWith("--") && known.options.get(option.slice(2)) === true);
}
