import type { Reporter, TestModule } from "vitest/node";

/** Closes a run with one line for people and for logs: "N passed, N failed, N skipped". */
export default class CountsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) for (const test of module.children.allTests()) counts[test.result().state] += 1;
    const skipped = counts.skipped + counts.pending;
    // Behind the coverage, which is printed after this.
    process.once("exit", () => console.log(`${counts.passed} passed, ${counts.failed} failed, ${skipped} skipped`));
  }
}
