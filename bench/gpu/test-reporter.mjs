/** A reporter of Vitest: the record's figures, a JSON line each. */
export default class Figures {
  onTestCaseResult(test) {
    const { state, errors = [], note } = test.result();
    const seconds = (test.diagnostic()?.duration ?? 0) / 1000;
    const why = state === "skipped" ? note : errors[0] && String(errors[0].message).slice(0, 2000);
    print({ kind: "test", what: test.name, outcome: state, seconds, why });
    for (const { message } of test.annotations()) print({ kind: "test said", what: message });
  }

  onTestRunEnd(modules, unhandled) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) for (const test of module.children.allTests()) counts[test.result().state] += 1;
    print({ kind: "tests", ...counts });
    const errors = [...unhandled, ...modules.flatMap((module) => module.errors())];
    for (const error of errors) console.error(error.stack ?? error.message);
    // A suite that was skipped as a whole has proved nothing.
    if (counts.passed === 0) fail("no test ran: there is no CUDA device that LibTorch finds");
  }
}

const print = (figure) => console.log(JSON.stringify(figure));

function fail(message) {
  console.error(message);
  process.exitCode = 1;
}
