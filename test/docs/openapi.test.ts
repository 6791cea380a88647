/** The description of the API: complete, valid, as it is kept in docs/openapi.json, and no change in it that breaks clients. */
import { readFileSync, writeFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import { expect, test } from "vitest";
import { openApiDocument } from "../../src/api/openapi/document.ts";
import { operations } from "../../src/api/openapi/operations.ts";
import { pageOf } from "../../src/api/openapi/page.ts";
import { routeTable } from "../../src/api/route-table.ts";
import { breakingChanges } from "../tools/api-changes.ts";

const kept = new URL("../../docs/openapi.json", import.meta.url);
const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
const document = openApiDocument(version);

test("each route is described, and no other", () => {
  expect(Object.keys(operations).sort()).toEqual(Object.keys(routeTable).sort());
});

test("it is OpenAPI 3.1", async () => {
  const { valid, errors } = await new Validator().validate({ ...structuredClone(document) });
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
  expect(
    new Set(Object.values(document.paths).flatMap((path) => Object.values(path).map((one) => one.operationId))).size,
  ).toBe(Object.keys(routeTable).length);
});

test("every schema that is referred to is there", () => {
  const names = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
    ([, name]) => name,
  );
  expect(names.length).toBeGreaterThan(30);
  for (const name of names) expect(Object.keys(document.components.schemas)).toContain(name);
});

test("nothing in it breaks a client of the one that is kept, and what is kept is what is served", () => {
  const before = JSON.parse(readFileSync(kept, "utf8"));
  const breaking = breakingChanges(before, document);
  if (process.env["AGENTRUNTIME_BREAK_API"] !== "1") expect(breaking).toEqual([]);
  if (process.env["AGENTRUNTIME_WRITE_TABLE"] === "1")
    writeFileSync(kept, `${JSON.stringify(document, undefined, 2)}\n`);
  else expect(JSON.parse(JSON.stringify(document))).toEqual(before);
});

test("the page has each route and each schema, and nothing that a browser would run or fetch", () => {
  const page = pageOf(document);
  for (const path of Object.values(document.paths))
    for (const { operationId } of Object.values(path)) expect(page).toContain(`id="${operationId}"`);
  for (const name of Object.keys(document.components.schemas)) expect(page).toContain(`<h3 id="${name}">`);
  expect(page).not.toMatch(/<script|\son\w+=|javascript:|https?:\/\/|<link|<img|<iframe/i);
});
