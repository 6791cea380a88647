/** What the daemon's own process uses, under the names that dashboards know. Read when asked for. */
import { readdir } from "node:fs/promises";
import { Counter, Gauge, type Registry } from "prom-client";

export function addProcessFigures(registry: Registry): void {
  const registers = [registry];
  let countedSeconds = 0;
  new Counter({
    name: "process_cpu_seconds_total",
    help: "CPU time of the daemon, user and system.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      const seconds = (user + system) / 1e6;
      this.inc(Math.max(0, seconds - countedSeconds));
      countedSeconds = seconds;
    },
  });
  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Memory of the daemon that is in RAM, shared pages included.",
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: "process_heap_bytes",
    help: "JavaScript heap of the daemon in use.",
    registers,
    collect() {
      this.set(process.memoryUsage().heapUsed);
    },
  });
  new Gauge({
    name: "process_open_fds",
    help: "Open file descriptors of the daemon. Linux only.",
    registers,
    async collect() {
      const open = await readdir("/proc/self/fd").catch(() => undefined);
      if (open) this.set(open.length);
    },
  });
  new Gauge({
    name: "process_start_time_seconds",
    help: "When the daemon started, in Unix seconds.",
    registers,
  }).set(Math.round(performance.timeOrigin) / 1000);
}
