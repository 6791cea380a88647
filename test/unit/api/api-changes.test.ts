import { expect, test } from "vitest";
import { openApiDocument } from "../../../src/api/openapi/document.ts";
import { breakingChanges } from "../../tools/api-changes.ts";

// biome-ignore lint/suspicious/noExplicitAny: it is meddled with
type Meddled = any;

const document = () => JSON.parse(JSON.stringify(openApiDocument("1.0.0")));

const breaking: [what: string, meddle: (newer: Meddled) => void, found: unknown][] = [
  ["a route is gone", (d) => delete d.paths["/gc"], "POST /gc is gone"],
  ["a method is gone", (d) => delete d.paths["/sessions/{id}"].patch, "PATCH /sessions/{id} is gone"],
  [
    "a route needs another scope",
    (d) => {
      d.paths["/agents"].get.description = "Needs a token with the scope `admin`.";
    },
    "GET /agents needs another scope: Needs a token with the scope `admin`.",
  ],
  [
    "a query is gone",
    (d) => {
      d.paths["/sessions"].get.parameters = d.paths["/sessions"].get.parameters.filter(
        (p: Meddled) => p.name !== "limit",
      );
    },
    "GET /sessions no longer takes query limit",
  ],
  [
    "a query must be given",
    (d) => {
      d.paths["/agents"].get.parameters[0].required = true;
    },
    "GET /agents must now be given query work_dir",
  ],
  [
    "a field of a request is gone",
    (d) => delete d.components.schemas.SessionRequest.properties.model,
    "the body of POST /sessions no longer has model",
  ],
  [
    "a field of a request must be given",
    (d) => d.components.schemas.SessionRequest.required.push("model"),
    "the body of POST /sessions must now have model",
  ],
  [
    "a value of a request is taken no more",
    (d) => d.components.schemas.SessionRequest.properties.permission_mode.enum.pop(),
    'the body of POST /sessions.permission_mode has other values: "autonomous"',
  ],
  [
    "a field of an answer is gone",
    (d) => delete d.components.schemas.Session.properties.state,
    "GET /sessions/{id} 200 no longer has state",
  ],
  [
    "a field of an answer may be left out",
    (d) => {
      d.components.schemas.Session.required = ["id"];
    },
    "GET /sessions/{id} 200 may now be without session_id",
  ],
  [
    "an answer has a value that no client knows",
    (d) => d.components.schemas.Session.properties.status.enum.push("asleep"),
    'GET /sessions/{id} 200.status has other values: "pending", "running", "completed", "failed", "orphaned", "asleep"',
  ],
  [
    "a number has become a text",
    (d) => {
      d.components.schemas.Session.properties.last_seq = { type: "string" };
    },
    "GET /sessions/{id} 200.last_seq was number and is string",
  ],
  [
    "a status is answered no more",
    (d) => delete d.paths["/sessions"].post.responses["201"],
    "POST /sessions no longer answers 201",
  ],
  [
    "a header is gone",
    (d) => delete d.paths["/sessions"].get.responses["200"].headers["Agentruntime-Next"],
    "GET /sessions 200 no longer has the header Agentruntime-Next",
  ],
  [
    "a frame of clients is gone",
    (d) => d.components.schemas.ClientFrame.oneOf.splice(2, 1),
    'ClientFrame "steer" is gone, or has one form less',
  ],
  [
    "an event has lost a field",
    (d) => {
      const result = d.components.schemas.LogLine.oneOf.find((f: Meddled) => f.properties.type.const === "result");
      delete result.properties.data.properties.usage;
    },
    'LogLine "result".data no longer has usage',
  ],
  [
    "an answer may be null",
    (d) => {
      d.components.schemas.Session.properties.session_id = { anyOf: [{ type: "string" }, { type: "null" }] };
    },
    "GET /sessions/{id} 200.session_id was string and is null",
  ],
  [
    "an answer has become other things",
    (d) => {
      d.components.schemas.Session.properties.session_id = { anyOf: [{ type: "number" }, { type: "object" }] };
    },
    "GET /sessions/{id} 200.session_id was string and is object",
  ],
  [
    "all of an answer has become a text",
    (d) => {
      d.components.schemas.SessionCreated = { anyOf: [{ type: "string" }] };
    },
    "POST /sessions 201 was object and is string",
  ],
  [
    "an answer has become one of another type",
    (d) => {
      d.components.schemas.SessionCreated = {
        anyOf: [{ type: "object", properties: { type: { type: "string", const: "other" } } }],
      };
    },
    'POST /sessions 201 "other" has a new form',
  ],
  [
    "a text of a request has become a number",
    (d) => {
      d.components.schemas.SessionRequest.properties.prompt = { anyOf: [{ type: "number" }] };
    },
    "the body of POST /sessions.prompt was string and is number",
  ],
  [
    "a text of a request may be less long",
    (d) => {
      d.components.schemas.SessionRequest.properties.prompt.maxLength = 10;
    },
    "the body of POST /sessions.prompt had maxLength none and has 10",
  ],
  [
    "a text of a request must be of another pattern",
    (d) => {
      d.components.schemas.SessionRequest.properties.name.pattern = "^x$";
    },
    expect.stringContaining("the body of POST /sessions.name had pattern "),
  ],
  [
    "a value of a map of a request may be less long",
    (d) => {
      d.components.schemas.SessionRequest.properties.tags.additionalProperties.maxLength = 10;
    },
    "a value of the body of POST /sessions.tags had maxLength 4096 and has 10",
  ],
  [
    "a text of an answer may be any",
    (d) => {
      const prompt = d.components.schemas.LogLine.oneOf[0].properties.data;
      delete prompt.properties.images.items.properties.blob.pattern;
    },
    expect.stringMatching(/blob had pattern .* and has none$/),
  ],
  [
    "one of several forms of a request is taken no more",
    (d) => d.components.schemas.SessionRequest.properties.resources.properties.memory.anyOf.pop(),
    "the body of POST /sessions.resources.memory was string and is number",
  ],
];

test.each(breaking)("it is seen that %s", (_what, meddle, found) => {
  const newer = document();
  meddle(newer);
  expect(breakingChanges(document(), newer)).toContainEqual(found);
});

test("what clients do not trip over is nothing: more routes, more that may be sent, more that is answered", () => {
  const newer = document();
  newer.paths["/new"] = { get: newer.paths["/agents"].get };
  newer.components.schemas.SessionRequest.properties.colour = { type: "string" };
  newer.components.schemas.SessionRequest.properties.permission_mode.enum.push("timid");
  newer.components.schemas.Session.properties.colour = { type: "string" };
  newer.components.schemas.Session.required.push("colour");
  newer.components.schemas.ClientFrame.oneOf.push({ type: "object", properties: { type: { const: "wave" } } });
  const { agent_name, prompt, model } = newer.components.schemas.SessionRequest.properties;
  agent_name.maxLength += 1;
  prompt.description = "What to do.";
  newer.components.schemas.SessionRequest.properties.model = { anyOf: [{ type: "null" }, model] };
  delete newer.components.schemas.SessionRequest.properties.name.pattern;
  newer.components.schemas.Session.properties.session_id.maxLength = 100;
  newer.paths["/agents"].get.parameters.push({
    name: "colour",
    in: "query",
    required: false,
    schema: { type: "string" },
  });
  expect(breakingChanges(document(), newer)).toEqual([]);
});
