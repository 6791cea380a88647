/** The key keeper as a program: its bootstrap on stdin, `ok` or a sentence on stdout, and gone when nobody needs it. */
import { text } from "node:stream/consumers";
import { KeeperBootstrap } from "../src/keeper/bootstrap.ts";
import { startKeeper } from "../src/keeper/keeper.ts";
import { messageOf } from "../src/protocol/error.ts";

/** Its end must not be that of whoever started it. */
process.on("SIGHUP", () => undefined);
process.stdout.on("error", () => undefined);

try {
  const keeper = await startKeeper(KeeperBootstrap.parse(JSON.parse(await text(process.stdin))));
  process.stdout.write("ok\n");
  await keeper.unleased;
  await keeper.close();
  process.exit(0);
} catch (error) {
  process.stdout.write(`${messageOf(error)}\n`);
  process.exit(1);
}
