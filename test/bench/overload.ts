// Five times what the service can bear, with a real forward: node --import tsx test/bench/overload.ts [seconds]
// A CLIP of the size of ViT-B/32 with random weights behind `clip-blip serve`. Exits with 1 where less than 95 % of the
// peak goes on being answered, something else than 429 or 503 is told, or memory grows.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "../cli/support.js";
import { demoPictures } from "../library/models.js";
import { writeRandomClip } from "../library/random-checkpoint.js";
import { ready, request } from "../server/support.js";
import { describeOverload, measureOverload } from "./overload-run.js";

const SECONDS = Number(process.argv[2] ?? 120);
const QUEUE = 64;

const folder = mkdtempSync(join(tmpdir(), "clip-blip-overload-"));
writeRandomClip(folder, { width: 768, layers: 12, vocabulary: 1000, imageSize: 224, patch: 32 });
const options = ["--no-blip", "--device", "cpu", "--clip-model", folder, "--max-queue", String(QUEUE)];
const child = start(["serve", "--port", "0", ...options]);
process.on("exit", () => {
  child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});
child.stdout!.resume();
const url = await new Promise<string>((resolve) => {
  child.stderr!.on("data", (text) => {
    const found = /clip-blip: (http:\S+)/.exec(String(text));
    if (found) resolve(found[1]!);
  });
});
await ready(url);

const result = await measureOverload({
  url: `${url}/api/v1/embeddings/images`,
  picture: demoPictures[0]!,
  clients: QUEUE / 2,
  seconds: { warmup: 10, peak: 30, overload: SECONDS },
  memory: async () => {
    const { body } = await request(`${url}/metrics`);
    return Number(/^process_resident_memory_bytes (\d+)/m.exec(body)![1]);
  },
});
console.log(describeOverload(result));
const { peak, overload, others, growth } = result;
process.exit(overload.throughput >= 0.95 * peak.throughput && others.length === 0 && growth < 20e6 ? 0 : 1);
