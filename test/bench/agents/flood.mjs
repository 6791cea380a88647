// Prints COUNT lines of 150 bytes (agents print longer ones) as fast as the pipe takes them when something arrives on stdin, then waits for its end.
const count = Number(process.argv[2]);
const linesPerBlock = 800;
const block = Array.from(
  { length: linesPerBlock },
  (_, i) => `line ${String(i).padStart(6, "0")} ${"lorem ipsum dolor sit amet ".repeat(5)}end`,
)
  .join("\n")
  .concat("\n");

process.stdin.once("data", flood);
process.stdin.on("end", () => process.exit(0));

async function flood() {
  for (let sent = 0; sent < count; sent += linesPerBlock) {
    if (!process.stdout.write(block)) await new Promise((resolve) => process.stdout.once("drain", resolve));
  }
  process.stdout.write("flood-end\n");
}
