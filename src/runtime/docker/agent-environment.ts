/** What an agent's environment gets in a container: the way out, and whom to trust on it. Pure. */
export interface WayOut {
  proxyUrl: string;
  /** The file of authorities as it is called inside; undefined where the image's own will do. */
  authorities: string | undefined;
}

const local = "localhost,127.0.0.1,::1";

/** Ours come last: there is no other way out, whatever anybody sets. */
export function agentEnvironment(env: Readonly<Record<string, string>>, way: WayOut): Record<string, string> {
  return {
    ...env,
    HTTP_PROXY: way.proxyUrl,
    HTTPS_PROXY: way.proxyUrl,
    http_proxy: way.proxyUrl,
    https_proxy: way.proxyUrl,
    NO_PROXY: local,
    no_proxy: local,
    // Node's own fetch looks at these variables only when it is told to.
    NODE_USE_ENV_PROXY: "1",
    ...(way.authorities === undefined ? {} : authorities(way.authorities)),
  };
}

/** One file for all: programs that add it to their own and programs that take it instead of them. */
function authorities(file: string): Record<string, string> {
  const names = [
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "GIT_SSL_CAINFO",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "CODEX_CA_CERTIFICATE",
  ];
  return Object.fromEntries(names.map((name) => [name, file]));
}
