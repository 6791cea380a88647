/** What the page shows, in the part of its address that is never sent: a link to a session tells the daemon nothing. */
import { signal } from "@preact/signals";

export type Route =
  | { name: "sessions" }
  | { name: "session"; id: string }
  | { name: "new" }
  | { name: "chats" }
  | { name: "chat"; chat: string }
  | { name: "figures" };

export const route = signal<Route>(read());

window.addEventListener("hashchange", () => {
  route.value = read();
});

export function go(to: Route): void {
  location.hash = hrefOf(to);
}

export function hrefOf(to: Route): string {
  if (to.name === "session") return `#/sessions/${encodeURIComponent(to.id)}`;
  if (to.name === "chat") return `#/chats/${encodeURIComponent(to.chat)}`;
  return to.name === "sessions" ? "#/" : `#/${to.name}`;
}

function read(): Route {
  const [, first, second] = location.hash.split("/");
  if (first === "sessions" && second !== undefined && second !== "") return { name: "session", id: decoded(second) };
  if (first === "chats" && second !== undefined && second !== "") return { name: "chat", chat: decoded(second) };
  if (first === "chats" || first === "new" || first === "figures") return { name: first };
  return { name: "sessions" };
}

/** An address typed by hand may hold half an escape. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
