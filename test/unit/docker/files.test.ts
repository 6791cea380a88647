import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ConfigFile } from "../../../src/config.ts";
import { imageTags } from "../../../src/images.ts";

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
const { devDependencies } = JSON.parse(read("package.json"));

test.each([
  ["CLAUDE_VERSION", "@anthropic-ai/claude-code"],
  ["CODEX_VERSION", "@openai/codex"],
  ["OPENCODE_VERSION", "opencode-ai"],
])("the image's %s is the one that package.json pins", (argument, name) => {
  expect(new RegExp(`^ARG ${argument}=(.*)$`, "m").exec(read("docker/Dockerfile.agent"))?.[1]).toBe(
    devDependencies[name],
  );
});

test("the images that are built are those that a daemon starts", () => {
  const { docker } = ConfigFile.parse({});
  expect(imageTags).toMatchObject({ agent: docker.image, proxy: docker.proxy_image });
});

test.each(["agent", "proxy", "daemon"])("Dockerfile.%s is for the builder in the engine", (kind) => {
  const text = read(`docker/Dockerfile.${kind}`).replace(/^#.*$/gm, "");
  expect(text).toMatch(/^ARG BASE_IMAGE=.*\nFROM \$\{BASE_IMAGE\}$/m);
  expect(text).not.toMatch(/--mount|--chmod|--link|<<|^# syntax/m);
});
