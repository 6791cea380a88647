import { expect, test } from "vitest";
import { withAdvice } from "../../../cmd/advice.ts";
import { readErrorAnswer } from "../../../src/client/error-answer.ts";

function refused(message: string, token: string | undefined) {
  const address = { url: "http://127.0.0.1:1", source: "AGENTD_URL", token };
  return readErrorAnswer(address, { status: 401, text: JSON.stringify({ error: "unauthorized", message }) });
}

const header = 'send the header "Authorization: Bearer TOKEN"; "agentd token" prints it';

test("a refused token is told as the one that was sent, with what to set and no word of headers", () => {
  const error = refused(`The token sent is not valid: ${header}`, "bad");
  expect(withAdvice(error, { env: { AGENTD_TOKEN: "bad" } })).toBe(
    `The token sent is not valid: it was AGENTD_TOKEN's. Set AGENTD_TOKEN to a token of that daemon: where it runs, "env -u AGENTD_TOKEN agentd token" prints one; unset, the data dir's is sent to its own daemon`,
  );
  expect(withAdvice(error, { env: {} })).toBe(
    `The token sent is not valid: it was the data dir's. Set AGENTD_TOKEN to a token of that daemon: where it runs, "agentd token" prints one`,
  );
});

test("where no token was sent, it is told why and what to set", () => {
  expect(withAdvice(refused(`No token was sent: ${header}`, undefined), { env: {} })).toBe(
    `No token was sent: AGENTD_TOKEN is not set, and the data dir's token is for its own daemon. Set AGENTD_TOKEN to a token of that daemon: where it runs, "agentd token" prints one`,
  );
});
