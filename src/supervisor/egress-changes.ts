/** What a file of the configuration says of `egress` that the one before did not. Pure. */
import type { Config } from "../config.ts";
import type { EgressSettingChange } from "../protocol/http.ts";

type Told = Pick<Config, "egress" | "extraAuthorities">;

/** A word for whoever reads it, by what makes it another one. */
type Words = ReadonlyMap<string, string>;

export function egressChanges(before: Told, after: Told): EgressSettingChange[] {
  const [earlier, later] = [wordsOf(before), wordsOf(after)];
  return later.flatMap(([setting, words], index) => {
    const old = earlier[index]?.[1] ?? new Map<string, string>();
    const [added, removed] = [missing(words, old), missing(old, words)];
    return added.length + removed.length === 0 ? [] : [{ setting, added, removed }];
  });
}

function wordsOf({ egress, extraAuthorities }: Told): [setting: EgressSettingChange["setting"], words: Words][] {
  const { mode, allow, permit, host_services, upstream_proxy, ca_certificates } = egress;
  return [
    ["mode", plain([mode])],
    ["allow", plain(allow)],
    ["permit", plain(permit)],
    ["host_services", new Map(host_services.map(({ name, host, port }) => [`${name} ${host} ${port}`, name]))],
    // Another password is a change; it is not to be told.
    ["upstream_proxy", new Map(upstream_proxy === undefined ? [] : [[upstream_proxy, new URL(upstream_proxy).origin]])],
    // The files may be the same and hold something else.
    ["ca_certificates", new Map(ca_certificates.map((path) => [`${path} ${extraAuthorities}`, path]))],
  ];
}

function plain(words: readonly string[]): Words {
  return new Map(words.map((word) => [word, word]));
}

function missing(words: Words, from: Words): string[] {
  return [...words].flatMap(([key, word]) => (from.has(key) ? [] : [word]));
}
