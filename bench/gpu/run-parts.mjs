import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Kept of what a part wrote beside its figures, in characters: enough to see why it failed. */
const KEPT = 4000;

/**
 * Runs parts one after another, each in a process of its own. A part writes its figures as JSON lines as it goes, so one
 * that fails or is stopped keeps what it had. All of them end within `seconds`, of which each has its share; what a part
 * leaves of its own is added to the next one's.
 *
 * @param parts [{id, share, command: [program, …arguments], env}]
 * @param options seconds: for all parts; say: takes a line of progress, figures included; onResults: takes all results so far
 * @returns [{id, seconds, figures, failure}]; failure is undefined where a part went well
 */
export async function runParts(parts, { seconds, say, onResults = (_) => {} }) {
  const started = performance.now();
  const results = [];
  for (const [index, part] of parts.entries()) {
    const left = timeLeft(parts, index, { seconds, passed: (performance.now() - started) / 1000 });
    say(`${part.id}: at most ${left.toFixed(0)} s`);
    const result =
      left < 1 ? { id: part.id, seconds: 0, figures: [], failure: "no time was left" } : await runPart(part, left, say);
    say(`${part.id}: ${result.failure ?? "went well"}, ${result.seconds.toFixed(1)} s`);
    results.push(result);
    onResults(results);
  }
  return results;
}

/** Seconds that a part may take: until all the shares up to its own are used up. */
export function timeLeft(parts, index, { seconds, passed }) {
  const sum = (some) => some.reduce((total, { share }) => total + share, 0);
  return (seconds * sum(parts.slice(0, index + 1))) / sum(parts) - passed;
}

async function runPart({ id, command: [program, ...args], env }, limit, say) {
  const started = performance.now();
  // A group of its own: what the part has started is stopped with it.
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
    detached: true,
  });
  const figures = [];
  let said = "";
  const keep = (text) => {
    said = (said + text).slice(-KEPT);
  };
  createInterface({ input: child.stdout }).on("line", (line) => {
    const figure = parse(line);
    if (figure) {
      figures.push(figure);
      say(line);
    } else keep(`${line}\n`);
  });
  child.stderr.setEncoding("utf8").on("data", keep);
  let stopped = false;
  const timer = setTimeout(() => {
    stopped = true;
    stopGroup(child.pid);
  }, 1000 * limit);
  const ended = await new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) =>
      resolve(code === 0 ? undefined : `it ended with ${signal ?? `code ${code}`}`),
    );
  });
  clearTimeout(timer);
  const seconds = (performance.now() - started) / 1000;
  const failure = stopped
    ? `stopped after ${limit.toFixed(0)} s`
    : ended && [ended, lastLine(said)].filter(Boolean).join(": ");
  if (failure) say(said);
  return { id, seconds, figures, failure };
}

function parse(line) {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function stopGroup(pid) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended in the meantime.
  }
}

/** What a failed program said last: the line that names its error, where there is one, without the stack below it. */
function lastLine(text) {
  const lines = text.split("\n").filter((line) => line.trim() && !/^\s+at |^Node\.js v/.test(line));
  return (lines.findLast((line) => /^[\w.]*(Error|Exception)\b/.test(line)) ?? lines.at(-1))?.replace(/ \{$/, "");
}
