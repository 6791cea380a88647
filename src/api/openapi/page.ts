/** The document as a page: no script, one style, nothing loaded from anywhere. */
import { createHash } from "node:crypto";
import type { JsonSchema, OpenApiDocument, PathOperation } from "./document.ts";
import { style } from "./style.ts";

/** Nothing but the page's own style. */
export const pagePolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export function pageOf(document: OpenApiDocument): string {
  const { info, tags, paths, components } = document;
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const groups = tags.map(({ name, description }) => ({
    name,
    description,
    operations: all.filter(({ operation }) => operation.tags.includes(name)),
  }));
  const schemas = Object.entries(components.schemas);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(info.title)} ${text(info.version)}: API</title>
<style>${style}</style>
</head>
<body>
<nav aria-label="Contents">
<p><strong>${text(info.title)}</strong> ${text(info.version)}</p>
${groups.map(({ name, operations }) => `<h2><a href="#${name}">${text(name)}</a></h2>\n<ul>${operations.map(({ method, path, operation }) => `<li><a href="#${operation.operationId}"><code><b>${method}</b> ${text(path)}</code></a></li>`).join("\n")}</ul>`).join("\n")}
<h2><a href="#schemas">schemas</a></h2>
<ul>${schemas.map(([name]) => `<li><a href="#${name}"><code>${text(name)}</code></a></li>`).join("\n")}</ul>
</nav>
<main>
<h1>The API of ${text(info.title)}</h1>
<p>${text(info.description)} The same for programs: <a href="openapi.json">openapi.json</a> (OpenAPI ${text(document.openapi)}).</p>
${groups.map(({ name, description, operations }) => `<section aria-labelledby="${name}">\n<h2 id="${name}">${text(name)}</h2>\n<p>${text(description)}.</p>\n${operations.map(operationOf).join("\n")}\n</section>`).join("\n")}
<section aria-labelledby="schemas">
<h2 id="schemas">schemas</h2>
${schemas.map(([name, schema]) => `<article aria-labelledby="${name}">\n<h3 id="${name}">${text(name)}</h3>\n${described(schema)}</article>`).join("\n")}
</section>
</main>
</body>
</html>
`;
}

function operationOf({ path, method, operation }: { path: string; method: string; operation: PathOperation }): string {
  const { operationId, summary, description, parameters, requestBody, responses } = operation;
  const rows = parameters.map(
    ({ name, in: place, required, description: what, schema }) =>
      `<tr><td><code>${text(name)}</code></td><td>${place}${required ? "" : ", optional"}</td><td>${typeOf(schema)}</td><td>${prose(what ?? "")}</td></tr>`,
  );
  const body = requestBody ? Object.values(requestBody.content)[0]?.schema : undefined;
  const answers = Object.entries(responses).map(([status, { description: means, content, headers }]) => {
    const [type, shape] = Object.entries(content ?? {})[0] ?? [];
    const isJson = type === "application/json";
    const what =
      isJson && shape?.schema ? typeOf(shape.schema) : type === undefined ? "" : `<code>${text(type)}</code>`;
    const named = Object.keys(headers ?? {}).map((name) => `<code>${text(name)}</code>`);
    return `<tr><td>${status === "default" ? "4xx, 5xx" : status}</td><td>${what}</td><td>${prose(means)}${named.length > 0 ? ` (headers ${named.join(", ")})` : ""}</td></tr>`;
  });
  return `<article aria-labelledby="${operationId}">
<h3 id="${operationId}"><code><b>${method}</b> ${text(path)}</code></h3>
<p>${prose(summary)}. ${prose(description)}</p>
${rows.length > 0 ? table(["Parameter", "Where", "Type", ""], rows) : ""}
${body ? `<p>Body${requestBody?.required ? "" : ", optional"}: ${typeOf(body)}</p>` : ""}
${table(["Answer", "Body", ""], answers)}
</article>`;
}

/** The fields of an object, the forms of a choice, or the type of anything else. */
function described(schema: JsonSchema): string {
  const forms = formsOf(schema);
  if (forms.length > 0) return forms.map((form) => fields(form)).join("<p class=or>or</p>\n");
  return fields(schema);
}

function formsOf(schema: JsonSchema): JsonSchema[] {
  return [...list(schema["oneOf"]), ...list(schema["anyOf"])];
}

function fields(schema: JsonSchema): string {
  const properties = Object.entries(object(schema["properties"]) ?? {});
  if (properties.length === 0) return `<p>${typeOf(schema)}</p>\n`;
  const required = new Set(words(schema["required"]));
  const rows = properties.map(
    ([name, field]) =>
      `<tr><td><code>${text(name)}</code></td><td>${required.has(name) ? "" : "optional"}</td><td>${typeOf(object(field) ?? {})}</td></tr>`,
  );
  return table(["Field", "", "Type"], rows);
}

const depthMax = 4;

function typeOf(schema: JsonSchema, depth = 0): string {
  const reference = schema["$ref"];
  if (typeof reference === "string") {
    const name = reference.slice(reference.lastIndexOf("/") + 1);
    return `<a href="#${text(name)}">${text(name)}</a>`;
  }
  if (schema["const"] !== undefined) return `<code>${text(JSON.stringify(schema["const"]))}</code>`;
  if (Array.isArray(schema["enum"]))
    return schema["enum"].map((one) => `<code>${text(JSON.stringify(one))}</code>`).join(" | ");
  const forms = formsOf(schema);
  if (forms.length > 0) return [...new Set(forms.map((form) => typeOf(form, depth)))].join(" | ");
  const items = object(schema["items"]);
  if (items) return `array of ${typeOf(items, depth)}`;
  const properties = Object.entries(object(schema["properties"]) ?? {});
  if (properties.length > 0 && depth < depthMax)
    return `{ ${properties.map(([name, field]) => `<code>${text(name)}</code>: ${typeOf(object(field) ?? {}, depth + 1)}`).join(", ")} }`;
  const values = object(schema["additionalProperties"]);
  if (values && Object.keys(values).length > 0) return `object of ${typeOf(values, depth)}`;
  // A format says in a word what its pattern says in a hundred characters.
  const bounds = ["minimum", "maximum", "minLength", "maxLength", "format" in schema ? "format" : "pattern"].flatMap(
    (bound) => {
      const value = schema[bound];
      return value === undefined || Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER
        ? []
        : [`${bound} ${text(String(value))}`];
    },
  );
  const type = text(words([schema["type"]].flat()).join(" | ") || "any");
  return bounds.length > 0 ? `${type} <small>(${bounds.join(", ")})</small>` : type;
}

function table(heads: readonly string[], rows: readonly string[]): string {
  return `<div class=scroll><table><thead><tr>${heads.map((head) => `<th scope=col>${head}</th>`).join("")}</tr></thead><tbody>${rows.join("\n")}</tbody></table></div>`;
}

function object(value: unknown): JsonSchema | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

function list(value: unknown): JsonSchema[] {
  return Array.isArray(value) ? value.map(object).filter((one) => one !== undefined) : [];
}

function words(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function text(plain: string): string {
  return plain.replaceAll(/[&<>"']/g, (character) => escapes[character] ?? "");
}

/** Words with back-ticks around code. */
function prose(plain: string): string {
  return text(plain).replaceAll(/`([^`]*)`/g, "<code>$1</code>");
}
