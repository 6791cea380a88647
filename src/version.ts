/** Set by the build; a program run from its sources has none. */
declare const __AGENTRUNTIME_VERSION__: string | undefined;

export const version = typeof __AGENTRUNTIME_VERSION__ === "undefined" ? "dev" : __AGENTRUNTIME_VERSION__;
