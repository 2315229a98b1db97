import type { Reporter, TestModule } from "vitest/node";

/** Closes a run with the reasons of skipped tests, and one line for people and logs: "N passed, N failed, N skipped". */
export default class CountsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const test of modules.flatMap((module) => [...module.children.allTests()])) {
      const result = test.result();
      counts[result.state] += 1;
      // What -t leaves out has none.
      if (result.state === "skipped" && result.note) console.log(`skipped: ${test.fullName}: ${result.note}`);
    }
    const skipped = counts.skipped + counts.pending;
    // Behind the coverage, which is printed after this.
    process.once("exit", () => console.log(`${counts.passed} passed, ${counts.failed} failed, ${skipped} skipped`));
  }
}
