/** A reader process of the load: see reader.ts. Tells its parent when all its clients are connected, and its report. */
import { startReader } from "./reader.ts";

startReader(process.argv[2] ?? "", {
  connected: () => process.send?.("connected"),
  done: (report) => process.send?.(report, () => process.exit(0)),
});
