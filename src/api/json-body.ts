/** Bodies are JSON in UTF-8, and say that they are JSON; anything else is refused before it is looked at. */
import { isUtf8 } from "node:buffer";
import type { FastifyInstance } from "fastify";
import { AgentdError } from "../protocol/error.ts";
import { jsonExcess } from "../protocol/json-depth.ts";

export function takeJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body, done) => {
    const bytes = Buffer.from(body);
    // Decoded all the same, each wrong byte would become a character that nobody sent.
    if (!isUtf8(bytes)) return done(notText());
    const text = bytes.toString("utf8");
    const excess = jsonExcess(text);
    // Routes such as /stop take a body or none; those that need one refuse `undefined` themselves.
    if (text === "") done(null, undefined);
    else if (excess !== undefined) done(tooMuch(excess));
    else void parseJson(request, text, done);
  });
}

function notText(): AgentdError {
  return new AgentdError("invalid_json", "Cannot read the body: it is not UTF-8. Send JSON in UTF-8");
}

function tooMuch(excess: string): AgentdError {
  return new AgentdError("invalid_json", `Cannot read the body: its JSON is ${excess}. Send less of it`);
}
