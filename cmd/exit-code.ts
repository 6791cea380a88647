/** What agentd's commands exit with: 0 all went well, 1 it failed, 2 the command line was wrong; else the agent's own code (session-end.ts). */

export const exitCode = { ok: 0, failure: 1, usage: 2 } as const;

/** A mistake on the command line. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}
