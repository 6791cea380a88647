/** A reader process of the load: see reader.ts. Its report goes to its parent. */
import { startReader } from "./reader.ts";

startReader(process.argv[2] ?? "", (report) => {
  process.send?.(report, () => process.exit(0));
});
