/** Tries each attack of a group and its control. What came of them stands in docs/security.md: see table.test.ts. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AttackGroup } from "./attacks/attack.ts";

export function tryAttacks<Ground>(group: AttackGroup<Ground>): void {
  describe.skipIf(group.isPossible === false)(group.title, () => {
    let ground: Ground | undefined;
    const begun = new Map<string, Promise<string>>();
    beforeAll(async () => {
      ground = await group.open();
      for (const { name, isWaiting, attempt } of group.attacks) {
        if (!isWaiting) continue;
        const outcome = attempt(ground);
        // One that fails before its turn comes is heard of then.
        outcome.catch(() => undefined);
        begun.set(name, outcome);
      }
    }, 120_000);
    afterAll(async () => {
      if (ground !== undefined) await group.close(ground);
    }, 120_000);

    test.each(group.attacks.map((attack) => [attack.name, attack] as const))(
      "%s",
      async (name, { meets, attempt, control }) => {
        if (ground === undefined) throw new Error("there is nothing to attack");
        expect(await (begun.get(name) ?? attempt(ground))).toBe(meets);
        expect(await control.attempt(ground), `the control: ${control.name}`).toBe(control.meets);
        expect(control.meets, "a control that meets the same shows nothing").not.toBe(meets);
      },
      180_000,
    );
  });
}
