// A client in a process of its own, so that its work is not that of the service. Forked with its orders as an argument.
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { fileURLToPath } from "node:url";

/** What the client sends, and how. */
export interface Orders {
  /** Of a route that takes a picture as a form. */
  url: string;
  picture: string;
  seconds: number;
  /** That many clients, each of which waits for its answer; or that many requests a second, whatever becomes of them. */
  load: { clients: number } | { rate: number };
}

/** What came of it. */
export interface Answers {
  /** Answers by status; 0: the connection failed. */
  statuses: Record<number, number>;
  /** Answers of 200 that came within the time, a second. */
  throughput: number;
  /** Milliseconds that half, and 99 of 100, of the answers of 200 took at most. */
  p50: number;
  p99: number;
}

/** What the client tells whoever has forked it. */
export type Message = { kind: "begun" } | ({ kind: "ended" } & Answers);

export const CLIENT = fileURLToPath(import.meta.url);

async function run({ url, picture, seconds, load }: Orders): Promise<Answers> {
  const boundary = "----clip-blip-client";
  const body = Buffer.concat([
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="picture"\r\n` +
        "Content-Type: application/octet-stream\r\n\r\n",
    ),
    readFileSync(picture),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
  const headers = { "content-type": `multipart/form-data; boundary=${boundary}`, "content-length": body.length };
  const agent = new Agent({ keepAlive: true, maxSockets: 2000 });
  const statuses: Record<number, number> = {};
  const times: number[] = [];
  const begun = performance.now();
  const end = begun + 1000 * seconds;

  const ask = () =>
    new Promise<void>((resolve) => {
      const started = performance.now();
      const count = (status: number) => {
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (status === 200 && performance.now() < end) times.push(performance.now() - started);
        resolve();
      };
      const asked = request(url, { method: "POST", agent, headers }, (answer) => {
        answer.resume().once("end", () => count(answer.statusCode!));
      });
      asked.once("error", () => count(0));
      asked.end(body);
    });

  if ("clients" in load) {
    const client = async () => {
      while (performance.now() < end) await ask();
    };
    await Promise.all(Array.from({ length: load.clients }, client));
  } else {
    const asked: Promise<void>[] = [];
    for (let now = begun; now < end; now = performance.now()) {
      const due = Math.floor(((now - begun) / 1000) * load.rate);
      while (asked.length < due) asked.push(ask());
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await Promise.all(asked);
  }
  agent.destroy();
  times.sort((a, b) => a - b);
  const at = (part: number) => times[Math.floor(part * times.length)] ?? Number.NaN;
  return { statuses, throughput: times.length / seconds, p50: at(0.5), p99: at(0.99) };
}

if (process.send && process.argv[1] === CLIENT) {
  const tell = (message: Message) => process.send!(message);
  tell({ kind: "begun" });
  tell({ kind: "ended", ...(await run(JSON.parse(process.argv[2]!))) });
  process.disconnect();
}
