/** What goes wrong with a conversation, above it. */
import type { Thread } from "./thread.ts";

export function FaultLine({ of }: { of: Thread }) {
  const words = of.faults.shown.value;
  return words === "" ? null : (
    <p class="fault" role="alert">
      {words}
    </p>
  );
}
