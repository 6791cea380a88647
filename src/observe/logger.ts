/** The daemon's own diagnostics: JSON lines on stderr, without secrets. */
import pino, { type DestinationStream } from "pino";
import type { ConfigFile } from "../config.ts";
import { createRedactor } from "./redact.ts";

export type Level = "debug" | "info" | "warn" | "error";
export type Fields = Record<string, unknown>;

export interface Logger {
  log(level: Level, message: string, fields?: Fields): void;
  /** The same, with these fields in every line. */
  child(fields: Fields): Logger;
  /** From now on this value is not shown either. */
  hide(secret: string): void;
}

export interface LoggerOptions {
  level: ConfigFile["log_level"];
  /** Values that must not be shown, wherever they turn up. */
  secrets: readonly string[];
  destination: DestinationStream;
}

export function createLogger({ level, secrets, destination }: LoggerOptions): Logger {
  const redactor = createRedactor(secrets);
  const root = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      // Ours has seen the fields before; pino's own serializers would only see what is left.
      serializers: {},
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  const wrap = (logger: pino.Logger): Logger => ({
    log: (at, message, fields = {}) => {
      if (logger.isLevelEnabled(at)) logger[at](redactor.value(fields), redactor.text(message));
    },
    child: (fields) => wrap(logger.child(Object(redactor.value(fields)))),
    hide: redactor.hide,
  });
  return wrap(root);
}
