import { expect, test } from "vitest";
import { openApiDocument } from "../../../src/api/openapi/document.ts";
import { breakingChanges } from "../../tools/api-changes.ts";

// biome-ignore lint/suspicious/noExplicitAny: it is meddled with
type Meddled = any;

const document = () => JSON.parse(JSON.stringify(openApiDocument("1.0.0")));

const breaking: [what: string, meddle: (newer: Meddled) => void, found: string][] = [
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
];

test.each(breaking)("it is seen that %s", (_what, meddle, found) => {
  const newer = document();
  meddle(newer);
  expect(breakingChanges(document(), newer)).toContain(found);
});

test("what clients do not trip over is nothing: more routes, more that may be sent, more that is answered", () => {
  const newer = document();
  newer.paths["/new"] = { get: newer.paths["/agents"].get };
  newer.components.schemas.SessionRequest.properties.colour = { type: "string" };
  newer.components.schemas.SessionRequest.properties.permission_mode.enum.push("timid");
  newer.components.schemas.Session.properties.colour = { type: "string" };
  newer.components.schemas.Session.required.push("colour");
  newer.components.schemas.ClientFrame.oneOf.push({ type: "object", properties: { type: { const: "wave" } } });
  newer.paths["/agents"].get.parameters.push({
    name: "colour",
    in: "query",
    required: false,
    schema: { type: "string" },
  });
  expect(breakingChanges(document(), newer)).toEqual([]);
});
