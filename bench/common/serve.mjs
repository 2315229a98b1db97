import { createInterface } from "node:readline";

/** Answers the lines that `Child` writes: `calls[call](parameters)` for each, one at a time; ends with its parent. */
export async function serve(calls) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, call, ...parameters } = JSON.parse(line);
    const answer = await Promise.resolve()
      .then(() => calls[call](parameters))
      .then(
        (result) => ({ id, result: result ?? null }),
        (error) => ({ id, error: error?.stack ?? String(error) }),
      );
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit();
}
