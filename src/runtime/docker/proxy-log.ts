/** What the proxy says of the requests it refused, line by line. Pure. */
import { type Denial, DenialReason, noHost } from "../../protocol/egress.ts";

export interface ProxyDenial {
  /** Of the session that asked. */
  address: string;
  denial: Denial;
}

/** Undefined for lines that tell of nothing denied. Every field was URL-quoted by the proxy: an agent chose its text. */
export function parseProxyLine(line: string): ProxyDenial | undefined {
  const [kind, at = "", address = "", ...rest] = line.trim().split(" ");
  const atMs = Math.round(Number(at) * 1000);
  if (!Number.isFinite(atMs)) return undefined;
  if (kind === "egress-audit") {
    const [host = "", port = ""] = rest;
    return {
      address,
      denial: { at: atMs, host: text(host), port: Number(port) || 0, reason: "name", verdict: "audited" },
    };
  }
  if (kind !== "egress") return undefined;
  const [port, , target = "", , verdict, reason = "", sni = "-", bump = "-", fault = "-", client = "-", way, bytes] =
    rest;
  const hasEndedEmpty = port === innerPort && bump === "splice" && verdict === "TCP_TUNNEL" && bytes === "0";
  // Whoever sends that names neither port nor host; what only went away is another error.
  if (target === "error:invalid-request")
    return { address, denial: { at: atMs, host: noHost, port: 0, reason: "method", verdict: "denied" } };
  const isUpstreams = hasEndedEmpty && way?.endsWith("_PARENT") === true;
  const known = DenialReason.safeParse(isUpstreams ? "upstream" : reasonOf(reason, bump, fault));
  if (!known.success) return undefined;
  const { host, port: targetPort } = hostOf(text(target));
  return {
    // What comes behind a TLS hello names the front port: who asked that is noted on its connection.
    address: address === frontPort && client !== "-" ? client : address,
    denial: {
      at: atMs,
      host,
      port: targetPort,
      reason: known.data,
      verdict: "denied",
      ...(known.data === "sni" ? { sni: text(sni) } : {}),
    },
  };
}

/** The one that connects. */
const innerPort = "3129";
/** Whom the inner port sees, where it does not look at whom that one speaks for. */
const frontPort = "127.0.0.1";

/** Nothing is said where a client merely went away before its hello. */
function reasonOf(reason: string, bump: string, fault: string): string {
  if (bump === "peek" && fault.startsWith("ERR_PROTOCOL_UNKNOWN")) return "sni_missing";
  return reason;
}

const charsMax = 260;

function text(quoted: string): string {
  try {
    return decodeURIComponent(quoted).slice(0, charsMax);
  } catch {
    return quoted.slice(0, charsMax);
  }
}

/** `name:443`, `[::1]:443`, or the URL of a request that was no tunnel. */
function hostOf(target: string): { host: string; port: number } {
  const found = /^(?:([a-z_]+):\/\/)?(\[[^\]]*\]|[^/:]*)(?::(\d+))?/i.exec(target);
  const port = found?.[3] ?? (found?.[1]?.toLowerCase() === "http" ? "80" : "443");
  return { host: found?.[2] || target, port: Number(port) };
}
