/** Markdown → tokens, in a time that its writer does not decide: what is made to be slow is taken as the text that it is. Pure. */
import { Lexer, type Token } from "marked";

/** What is longer is shown as it came: no grammar is to be run over a flood. */
const charsMax = 64 * 1024;
/** Quotes and lists within each other, as one line begins; the grammar goes down a level for each. */
const nested = /^(?:[ \t]*(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))){16}/m;
/** For each of these the grammar may look through the rest of its paragraph. */
const openers = /[*_~:(]/g;
/** Openers times characters: of one paragraph, and of all. A real one has some thousands. */
const paragraphWorkMax = 2_000_000;
const workMax = 8_000_000;

/** Undefined for what is to be shown as it stands. */
export function markdownTokens(text: string): Token[] | undefined {
  if (text.length > charsMax || nested.test(text)) return undefined;
  try {
    const lexer = new Lexer({ gfm: true });
    lexer.blockTokens(text, lexer.tokens);
    let work = 0;
    // It grows while it is gone through: links and cells have words of their own.
    for (let next = lexer.inlineQueue.shift(); next; next = lexer.inlineQueue.shift()) {
      const ownWork = next.src.length * (next.src.match(openers)?.length ?? 0);
      if (ownWork > paragraphWorkMax || work + ownWork > workMax) {
        next.tokens.push({ type: "text", raw: next.src, text: next.src, escaped: false });
        continue;
      }
      work += ownWork;
      lexer.inlineTokens(next.src, next.tokens);
    }
    return [...lexer.tokens];
  } catch {
    return undefined;
  }
}
