/**
 * What an agent says, as elements. Its text is hostile: it is only ever made into text nodes, its HTML stands there as it was
 * written, its images are not loaded, and its links say where they lead.
 */
import type { Token, Tokens } from "marked";
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { visible } from "../../client/visible.ts";
import { markdownTokens } from "./markdown-tokens.ts";

const depthMax = 12;

export function Markdown({ text }: { text: string }) {
  // A row is drawn again whenever anything in the list changes; what it says seldom does.
  return useMemo(() => {
    const shown = visible(text);
    const tokens = markdownTokens(shown);
    return tokens ? <div class="markdown">{blocks(tokens, 0)}</div> : <pre class="plain">{shown}</pre>;
  }, [text]);
}

function blocks(tokens: readonly Token[], depth: number): ComponentChildren {
  if (depth > depthMax) return tokens.map(({ raw }) => raw).join("");
  return tokens.map((token) => block(token as Tokens.Generic, depth));
}

function block(token: Tokens.Generic, depth: number): ComponentChildren {
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      // Of the page's own headings there are two levels: those of a message come below.
      return <p class={`heading level-${token["depth"]}`}>{inline(token.tokens, depth)}</p>;
    case "code":
      return <Code text={String(token["text"])} />;
    case "blockquote":
      return <blockquote>{blocks(token.tokens ?? [], depth + 1)}</blockquote>;
    case "list":
      return <List list={token as Tokens.List} depth={depth} />;
    case "table":
      return <Table table={token as Tokens.Table} depth={depth} />;
    case "hr":
      return <hr />;
    case "paragraph":
      return <p>{inline(token.tokens, depth)}</p>;
    case "text":
      return token.tokens ? inline(token.tokens, depth) : token.raw;
    default:
      // HTML, and what a later version of the grammar may know.
      return <p>{token.raw}</p>;
  }
}

function Code({ text }: { text: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <pre tabIndex={0}>
      <code>{text}</code>
    </pre>
  );
}

function List({ list, depth }: { list: Tokens.List; depth: number }) {
  const items = list.items.map((item, at) => (
    <li key={at}>
      {item.task && (item.checked ? "☑ " : "☐ ")}
      {blocks(
        item.tokens.filter(({ type }) => type !== "checkbox"),
        depth + 1,
      )}
    </li>
  ));
  return list.ordered ? <ol start={Number(list.start) || 1}>{items}</ol> : <ul>{items}</ul>;
}

function Table({ table, depth }: { table: Tokens.Table; depth: number }) {
  const cells = (row: readonly Tokens.TableCell[], Cell: "th" | "td") =>
    row.map((cell, at) => <Cell key={at}>{inline(cell.tokens, depth)}</Cell>);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <div class="table" tabIndex={0}>
      <table>
        <thead>
          <tr>{cells(table.header, "th")}</tr>
        </thead>
        <tbody>
          {table.rows.map((row, at) => (
            <tr key={at}>{cells(row, "td")}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inline(tokens: readonly Token[] | undefined, depth: number): ComponentChildren {
  if (depth > depthMax) return tokens?.map(({ raw }) => raw).join("");
  return tokens?.map((token) => span(token as Tokens.Generic, depth + 1));
}

function span(token: Tokens.Generic, depth: number): ComponentChildren {
  const inner = () => inline(token.tokens, depth);
  switch (token.type) {
    case "strong":
      return <strong>{inner()}</strong>;
    case "em":
      return <em>{inner()}</em>;
    case "del":
      return <del>{inner()}</del>;
    case "codespan":
      return <code>{token["text"]}</code>;
    case "br":
      return <br />;
    case "link":
    case "image":
      return <Link href={String(token["href"])} words={String(token["text"])} />;
    case "escape":
      return token["text"];
    case "text":
      return token.tokens ? inner() : String(token["text"]);
    default:
      return token.raw;
  }
}

/** Only what a browser opens as a page; the address is shown whenever it is not what the words say. */
function Link({ href, words }: { href: string; words: string }) {
  const target = pageAddress(href);
  if (target === undefined) return <>{`${words} (${href})`}</>;
  return (
    <>
      <a href={target} target="_blank" rel="noopener noreferrer nofollow">
        {words || target}
      </a>
      {words !== href && words !== target && <span class="address"> ({target})</span>}
    </>
  );
}

function pageAddress(href: string): string | undefined {
  const url = URL.canParse(href) ? new URL(href) : undefined;
  return url && (url.protocol === "http:" || url.protocol === "https:") ? url.href : undefined;
}
