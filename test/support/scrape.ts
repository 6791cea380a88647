/** GET /metrics, as Prometheus would read it. */
import type { Daemon } from "./start-daemon.ts";

/** Every series by its name with labels. */
export async function scrape(of: Pick<Daemon, "get">): Promise<Map<string, number>> {
  const { text, status, headers } = await of.get("/metrics");
  if (status !== 200 || !headers.get("content-type")?.includes("text/plain; version=0.0.4"))
    throw new Error(`No metrics: ${status} ${headers.get("content-type")} ${text}`);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]));
}
