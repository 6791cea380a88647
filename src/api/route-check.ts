/** Holds the routes to the table that says who may call them. */
import type { FastifyInstance } from "fastify";
import { routeTable } from "./route-table.ts";

/** To be called before the first route. Adding one that the table does not have throws; so does the answer when one is missing. */
export function holdToTable(app: FastifyInstance): () => void {
  const missing = new Set(Object.keys(routeTable));
  app.addHook("onRoute", ({ method, url }) => {
    for (const one of [method].flat()) {
      const key = `${one} ${url}`;
      if (!Object.hasOwn(routeTable, key))
        throw new Error(`Nothing says who may call "${key}": add it to src/api/route-table.ts`);
      missing.delete(key);
    }
  });
  return () => {
    if (missing.size > 0)
      throw new Error(`src/api/route-table.ts has routes that there are not: ${[...missing].join(", ")}`);
  };
}
