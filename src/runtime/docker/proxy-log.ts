/** What the proxy says of the requests it refused, line by line. Pure. */
import { type Denial, DenialReason } from "../../protocol/egress.ts";

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
  const [, , target = "", , , reason = "", sni = "-", bump = "-", fault = "-"] = rest;
  const known = DenialReason.safeParse(reasonOf(reason, bump, fault));
  if (!known.success) return undefined;
  const { host, port } = hostOf(text(target));
  return {
    address,
    denial: {
      at: atMs,
      host,
      port,
      reason: known.data,
      verdict: "denied",
      ...(sni === "-" ? {} : { sni: text(sni) }),
    },
  };
}

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
  const found = /^(?:([a-z]+):\/\/)?(\[[^\]]*\]|[^/:]*)(?::(\d+))?/i.exec(target);
  const port = found?.[3] ?? (found?.[1]?.toLowerCase() === "http" ? "80" : "443");
  return { host: found?.[2] || target, port: Number(port) };
}
