/** Every route of the daemon, as something that can be called: made from the table that the daemon itself is held to. */
import { request } from "node:http";
import { type RouteAccess, routeTable } from "../../src/api/route-table.ts";

export interface Route extends RouteAccess {
  method: string;
  /** As the table writes it. */
  pattern: string;
  /** Of a session, turn… that there is not. */
  path: string;
  isUpgrade: boolean;
}

const nowhere = "11111111-0000-4000-8000-000000000000";

export const routes: readonly Route[] = Object.entries(routeTable).map(([key, access]) => {
  const [method = "", pattern = ""] = key.split(" ");
  const path = pattern.replace(":id", nowhere).replaceAll(/:\w+/g, "none");
  return { ...access, method, pattern, path, isUpgrade: pattern.startsWith("/ws/") };
});

export interface Reply {
  status: number;
  error: string | undefined;
  headers: Record<string, string | string[] | undefined>;
}

/** By hand, because `fetch` would let us set neither Host nor the headers that only browsers set. */
export function call(
  url: string,
  { method, path, isUpgrade = false }: { method: string; path: string; isUpgrade?: boolean },
  headers: Record<string, string> = {},
  body?: string,
): Promise<Reply> {
  const upgrade = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": Buffer.alloc(16).toString("base64"),
  };
  return new Promise((resolve, reject) => {
    const sent = request(
      url + path,
      { method, headers: { ...(isUpgrade ? upgrade : {}), ...headers }, agent: false },
      (response) => {
        let text = "";
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("end", () => {
          const error = text.startsWith("{") ? JSON.parse(text).error : undefined;
          resolve({ status: response.statusCode ?? 0, error, headers: response.headers });
        });
      },
    );
    sent.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, error: undefined, headers: response.headers });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
