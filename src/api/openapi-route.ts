/** What the API is, for programs and for people. Open to all who reach the port: it tells nothing of this daemon but its version. */
import type { FastifyInstance } from "fastify";
import { openApiDocument } from "./openapi/document.ts";
import { pageOf, pagePolicy } from "./openapi/page.ts";

export function openApiRoute(app: FastifyInstance, { version }: { version: string }): void {
  // Made when it is first asked for: most daemons never are.
  let texts: { json: string; page: string } | undefined;
  const made = () => {
    if (texts) return texts;
    const document = openApiDocument(version);
    texts = { json: JSON.stringify(document), page: pageOf(document) };
    return texts;
  };
  app.get("/openapi.json", async (_request, reply) =>
    reply.header("content-type", "application/json; charset=utf-8").send(made().json),
  );
  app.get("/docs", async (_request, reply) =>
    reply
      .header("content-type", "text/html; charset=utf-8")
      .header("content-security-policy", pagePolicy)
      .send(made().page),
  );
}
