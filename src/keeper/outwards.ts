/** How a request of ours leaves this machine: by which proxies, and whom it trusts at the other end. */
import { rootCertificates } from "node:tls";
import { type Dispatcher, EnvHttpProxyAgent } from "undici";
import * as z from "zod";

export const Outwards = z.object({
  /** Proxies on the way to the service, as in the variables of these names. */
  proxy: z.object({
    http: z.string().optional(),
    https: z.string().optional(),
    none: z.string().optional(),
  }),
  /** Certificates in PEM, trusted besides those that Node brings; empty where its own will do. */
  authorities: z.string().default(""),
});
export type Outwards = z.infer<typeof Outwards>;

const connectMs = 30_000;

/** Whoever asks for it closes it. */
export function dispatcherFor({ proxy, authorities }: Outwards): Dispatcher {
  // A list of ours takes the place of Node's own: so that is in it.
  const tls = authorities === "" ? {} : { ca: [...rootCertificates, authorities] };
  return new EnvHttpProxyAgent({
    httpProxy: proxy.http ?? "",
    httpsProxy: proxy.https ?? "",
    noProxy: proxy.none ?? "",
    connect: { timeout: connectMs, ...tls },
    requestTls: tls,
  });
}
