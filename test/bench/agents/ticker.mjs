// Prints COUNT lines at RATE a second, each with the time at which it was written (hrtime, ns), when something
// arrives on stdin; then waits for its end.
const [count, rate] = process.argv.slice(2).map(Number);
process.stdin.once("data", tick);
process.stdin.on("end", () => process.exit(0));

function tick() {
  const start = process.hrtime.bigint();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.min(count, Math.floor((Number(process.hrtime.bigint() - start) / 1e9) * rate));
    for (; sent < due; sent++) process.stdout.write(`tick ${process.hrtime.bigint()} tock\n`);
    if (sent < count) return;
    clearInterval(timer);
    process.stdout.write("flood-end\n");
  }, 1000 / rate);
}
