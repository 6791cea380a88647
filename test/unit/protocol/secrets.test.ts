import { expect, test } from "vitest";
import { isSecretName, secretValues } from "../../../src/protocol/secrets.ts";

test.each([
  ...[
    "PGPASSWORD",
    "REDISCLI_AUTH",
    "SSHPASS",
    "MYSQL_PWD",
    "SMBPASSWD",
    "GITHUB_PAT",
    "GITLABTOKEN",
    "APPSECRET",
    "PASS",
  ],
  ...["api_key", "accessToken", "Set-Cookie", "DB_PASSWORD"],
])("%s is the name of a secret", (name) => {
  expect(isSecretName(name)).toBe(true);
  expect(secretValues({ [name]: "told to nobody" })).toEqual(["told to nobody"]);
});

test.each([
  ...["PWD", "OLDPWD", "PATH", "BYPASS", "COMPASS", "NODE_COMPAT", "AUTHOR", "XAUTHORITY", "SSH_AUTH_SOCK", "TOKENS"],
  ...["pass", "compass", "auth", "pat"],
])("%s is none", (name) => {
  expect(isSecretName(name)).toBe(false);
  expect(secretValues({ [name]: "told to everybody" })).toEqual([]);
});
