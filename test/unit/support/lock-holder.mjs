// `lock-holder.mjs <lock> <journal>`: takes the lock again and again, and writes down when it comes in and goes out.
import { appendFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { withLock } from "../../../dist/common/lock.js";

const [lock, journal] = process.argv.slice(2);
for (;;) {
  await withLock(lock, async () => {
    appendFileSync(journal, `in ${process.pid}\n`);
    process.stdout.write("in\n");
    await delay(Math.random() * 4);
    appendFileSync(journal, `out ${process.pid}\n`);
  });
}
