/** A reporter of Node's test runner: the record's figures, a JSON line each. */
export default async function* figures(source) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  // What a test says is reported behind it; by then its figure has gone out.
  for await (const { type, data } of source) {
    if (type === "test:diagnostic" && data.nesting > 0) {
      yield line({ kind: "test said", what: data.message });
    } else if ((type === "test:pass" || type === "test:fail") && data.details.type !== "suite") {
      const outcome = data.skip === undefined ? (type === "test:pass" ? "passed" : "failed") : "skipped";
      counts[outcome] += 1;
      yield line({
        kind: "test",
        what: data.name,
        outcome,
        seconds: data.details.duration_ms / 1000,
        why: typeof data.skip === "string" ? data.skip : reason(data.details.error),
      });
    }
  }
  yield line({ kind: "tests", ...counts });
  // A suite that was skipped as a whole has proved nothing.
  if (counts.passed === 0) throw new Error("no test ran: there is no CUDA device that LibTorch finds");
}

const line = (figure) => `${JSON.stringify(figure)}\n`;

/** Of the error itself: the runner wraps it. */
const reason = (error) => error && String(error.cause?.message ?? error.message).slice(0, 2000);
