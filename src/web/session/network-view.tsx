/** What a session in a container asked its proxy for in vain. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { listEgress } from "../../client/egress.ts";
import { visible } from "../../client/visible.ts";
import type { DenialReason } from "../../protocol/egress.ts";
import type { EgressEntry } from "../../protocol/http.ts";
import { address, noteFault } from "../page/standing.ts";

const whys: Readonly<Record<DenialReason, string>> = {
  name: "its name is on no list",
  port: "another port than 443",
  method: "not a tunnel",
  literal: "an address without a name",
  range: "its name leads into a private range",
  sni: "TLS asks for another name",
  sni_missing: "TLS asks for no name",
  unknown_session: "of no session that is known",
  host_service: "a service of the host that is on no list now",
  upstream: "the operator's own proxy made no tunnel",
};

/** Of one session, or of all. */
export function NetworkView({ id }: { id?: string }) {
  const denials = useSignal<EgressEntry[] | undefined>(undefined);
  const fault = useSignal("");
  useEffect(() => {
    listEgress(address(), id).then(
      (entries) => {
        denials.value = entries.reverse();
      },
      (error: unknown) => {
        fault.value = noteFault(error);
      },
    );
  }, [id]);
  if (fault.value !== "")
    return (
      <p class="fault" role="alert">
        {fault.value}
      </p>
    );
  if (!denials.value) return <p class="dim empty">…</p>;
  if (denials.value.length === 0)
    return <p class="dim empty">Nothing was refused. Only sessions in containers go through the proxy.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <section class="scrolls" tabIndex={0} aria-label="Refusals">
      <table class="stacked">
        <thead>
          <tr>
            {["When", ...(id === undefined ? ["Session"] : []), "Asked for", "Why", "What became of it"].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {denials.value.map((denial) => (
            <tr key={`${denial.at} ${denial.session_id} ${denial.host} ${denial.port}`}>
              <td>{new Date(denial.at).toLocaleString()}</td>
              {id === undefined && <td data-label="session">{denial.session_id.slice(0, 8)}</td>}
              <td class="whole">
                <code>
                  {visible(denial.host)}:{denial.port}
                </code>
              </td>
              <td>
                {whys[denial.reason]}
                {denial.sni !== undefined && ` (${visible(denial.sni)})`}
              </td>
              <td>
                {denial.verdict === "denied" ? "refused" : "let through"}
                {denial.repeated !== undefined && ` · ${denial.repeated}×`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
