import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createMetrics } from "../../src/observe/metrics.ts";

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
    const { name, type, labelNames } = metric as unknown as { name: string; type: string; labelNames: string[] };
    return `| \`${name}\` | ${type} | ${labelNames.map((label) => `\`${label}\``).join(", ")} |`;
  });
  const section = page.split("\n## Metrics\n")[1]?.split("\n## ")[0] ?? "";
  const documented = section
    .split("\n")
    .filter((line) => /^\| `/.test(line))
    .map((line) => `${line.split("|").slice(0, 4).join("|")}|`.replace(/ +/g, " "));
  expect(documented.sort()).toEqual(real.map((line) => line.replace(/ +/g, " ")).sort());
});
