import { expect, test } from "vitest";
import { forSession, tokensIn, withFresh } from "../../../src/keeper/login-file.ts";
import { opencodeLogin } from "../../support/token-endpoint.ts";

const login = opencodeLogin({ refresh: "refresh-token", expiresAt: 1_000_000 });
const file = JSON.stringify({ ...login, "https://company.test": { type: "wellknown", key: "K", token: "T" } });
const of = (service: string) => ({ kind: "opencode", service }) as const;

test("of one service's tokens a session gets all but the one to renew them with, and nothing of another's", () => {
  expect(tokensIn(of("openai"), file)).toMatchObject({ access: login.openai.access, refresh: "refresh-token" });
  expect(JSON.parse(forSession(of("openai"), file))).toEqual({ openai: { ...login.openai, refresh: "" } });
  expect(JSON.parse(forSession(of("mistral"), file))).toEqual({ mistral: login.mistral });
});

test("renewed, the rest of the file stays; a refresh token that was not replaced stays too", () => {
  const fresh = { access: "new", refresh: undefined, id: undefined, expiresAt: 2_000_000 };
  expect(JSON.parse(withFresh(of("openai"), file, fresh))).toEqual({
    ...JSON.parse(file),
    openai: { ...login.openai, access: "new", expires: 2_000_000 },
  });
});

test.each([
  ["xai", /holds no login for "xai"/],
  ["anthropic", /nobody here can renew tokens of "anthropic"/],
  ["https://company.test", /is neither a key \("api"\) nor tokens \("oauth"\)/],
])("a login for %s is refused in a sentence that repeats nothing of it", (service, message) => {
  const refused = () => forSession(of(service), file);
  expect(refused).toThrow(message);
  expect(refused).not.toThrow(/refresh-token|"T"/);
});

test.each(["nonsense", "[]", "null"])("what is no such file is refused: %s", (text) => {
  expect(() => tokensIn(of("openai"), text)).toThrow(/it is not JSON|holds no login of this agent/);
});
