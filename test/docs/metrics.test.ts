import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as z from "zod";
import { createMetrics } from "../../src/observe/metrics.ts";

/** What the library keeps of one, of which its types tell a part. */
const Metric = z.object({ name: z.string(), type: z.string(), labelNames: z.array(z.string()) });

const page = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");

test("docs/operations.md has each metric with its kind and labels, and no other", () => {
  const metrics = createMetrics({
    version: "0",
    clientLags: () => [],
    clientBytes: () => 0,
    droppedLines: () => 0,
    spans: () => ({ exported: 0, dropped: 0 }),
  });
  metrics.close();
  const real = metrics.registry.getMetricsAsArray().map((metric) => {
    const { name, type, labelNames } = Metric.parse(metric);
    return `| \`${name}\` | ${type} | ${labelNames.map((label) => `\`${label}\``).join(", ")} |`;
  });
  const section = page.split("\n## Metrics\n")[1]?.split("\n## ")[0] ?? "";
  const documented = section
    .split("\n")
    .filter((line) => /^\| `/.test(line))
    .map((line) => `${line.split("|").slice(0, 4).join("|")}|`.replace(/ +/g, " "));
  expect(documented.sort()).toEqual(real.map((line) => line.replace(/ +/g, " ")).sort());
});
