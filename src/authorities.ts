/** Certificates of authorities that the operator names, read once and checked: what is no certificate would be trusted by nobody. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { AgentdError, messageOf } from "./protocol/error.ts";

const certificate = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** All of them in PEM, and nothing else of what the files hold. Throws an AgentdError naming the file that is none. */
export function readAuthorities(paths: readonly string[]): string {
  return paths.map((path) => authoritiesIn(resolve(path))).join("");
}

function authoritiesIn(path: string): string {
  const refused = (found: string, cause?: unknown) =>
    new AgentdError(
      "invalid_request",
      `Cannot use the authorities in "${path}" (egress.ca_certificates): ${found}. Name a file of certificates in PEM, or leave it out`,
      { cause },
    );
  let found: string[];
  try {
    found = readFileSync(path, "utf8").match(certificate) ?? [];
  } catch (error) {
    throw refused(messageOf(error), error);
  }
  if (found.length === 0) throw refused("there is no certificate in it");
  for (const [index, text] of found.entries()) {
    try {
      new X509Certificate(text);
    } catch (error) {
      throw refused(`certificate ${index + 1} is none (${messageOf(error)})`, error);
    }
  }
  return found.map((text) => `${text}\n`).join("");
}
