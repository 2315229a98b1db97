import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, it } from "vitest";
import { type Ended, ended, start } from "../cli/support.js";
import { repositoryPath } from "../library/models.js";
import { pictures, post, postForm, ready, request } from "./support.js";

interface Started {
  child: ChildProcess;
  url: string;
  end: Promise<Ended>;
}

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** Starts `clip-blip serve` on a port of its own, and waits until it listens. */
async function serve(args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Started> {
  const child = start(["serve", "--port", "0", "--device", "cpu", "--dtype", "float32", ...args], { env });
  children.push(child);
  const end = ended(child);
  let text = "";
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr!.on("data", (chunk) => {
      text += chunk;
      const found = /clip-blip: (http:\S+)/.exec(text);
      if (found) resolve(found[1]!);
    });
    void end.then(({ code, err }) => reject(new Error(`ended with ${code}: ${err}`)));
  });
  return { child, url, end };
}

describe("clip-blip serve", () => {
  it("is alive at once, answers when it is warm, and ends with 0 on SIGTERM", async () => {
    const { child, url, end } = await serve([], { CLIP_BLIP_TOKEN: "" });
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.equal((await request(`${url}/health/live`)).status, 200);
    assert.equal((await request(`${url}/health/ready`)).status, 503);
    await ready(url);
    assert.equal((await postForm(`${url}/api/v1/captions`, [pictures[0]!])).status, 200);
    child.kill("SIGTERM");
    const { code, signal, out, err } = await end;
    assert.deepEqual([code, signal], [0, null]);
    assert.equal(err.trim(), `clip-blip: ${url}`);
    for (const line of out.trim().split("\n")) assert.ok(JSON.parse(line).level, line);
  });

  it("finishes what runs when it is told to end", async () => {
    const { child, url, end } = await serve(["--no-blip", "--log-level", "silent"]);
    await ready(url);
    const body = JSON.stringify({ texts: ["a red circle"] });
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.write(
      "POST /api/v1/embeddings/texts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
        `Content-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
    );
    const asked = (path: string) => request(`${url}${path}`).then((answer) => answer.body);
    while (!/queue_items\{model="clip"\} 1/.test(await asked("/metrics"))) await sleep(5);
    child.kill("SIGINT");
    while ((await asked("/health/ready")).error?.code !== "ERR_DRAINING") await sleep(5);
    socket.write(body.slice(5));
    const [answer] = (await once(socket, "data")) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 200 [\s\S]*"dimension":128/);
    socket.destroy();
    const { code, out } = await end;
    assert.deepEqual([code, out], [0, ""]);
  });

  it("ends within its deadline while a model loads, and by a second signal at once", async () => {
    const first = await serve();
    first.child.kill("SIGTERM");
    assert.equal((await first.end).code, 0);
    const second = await serve();
    second.child.kill("SIGTERM");
    second.child.kill("SIGTERM");
    const { code, signal } = await second.end;
    assert.ok(code === 0 || signal === "SIGTERM", `${code} ${signal}`);
  });

  it("asks for the token of the environment, and warns where there is none and everybody gets in", async () => {
    const { child, url, end } = await serve(["--no-blip"], { CLIP_BLIP_TOKEN: "secret" });
    assert.equal((await request(`${url}/api/v1/capabilities`)).status, 401);
    await ready(url);
    const headers = { authorization: "Bearer secret" };
    assert.equal((await post(`${url}/api/v1/embeddings/texts`, { texts: ["a"] }, { headers })).status, 200);
    child.kill("SIGTERM");
    const { out } = await end;
    assert.ok(!out.includes("secret"));
    const open = await serve(["--no-blip", "--host", "0.0.0.0"]);
    open.child.kill("SIGTERM");
    assert.match((await open.end).err, /anyone who can reach 0\.0\.0\.0 can use the service/);
  });

  it("says what to do where the port is in use", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as { port: number };
    const { code, err } = await ended(start(["serve", "--port", String(port)]));
    assert.deepEqual([code, err.trim()], [1, `clip-blip: Port ${port} is in use: choose another with --port`]);
    other.close();
  });

  it("names the packages to install where they are missing, and they suffice", async () => {
    const folder = mkdtempSync(join(tmpdir(), "clip-blip-serve-"));
    try {
      // The package as npm would install it: without its peers, beside its dependencies.
      const manifest = JSON.parse(readFileSync(repositoryPath("package.json"), "utf8"));
      const root = join(folder, "node_modules/clip-blip");
      mkdirSync(root, { recursive: true });
      for (const name of ["dist", "models"]) cpSync(repositoryPath(name), join(root, name), { recursive: true });
      writeFileSync(join(root, "package.json"), JSON.stringify(manifest));
      const installed = dependenciesOf(Object.keys(manifest.dependencies));
      for (const name of installed) link(folder, name);
      const run = () =>
        ended(start(["serve", "--port", "0", "--no-blip", "--no-clip"], {}, join(root, "dist/cli/main.js")));
      const missing = await run();
      assert.equal(missing.code, 1);
      const command = /run npm install (.*)$/m.exec(missing.err)![1]!;
      const packages = command.split(" ").map((text) => text.slice(0, text.lastIndexOf("@")));
      for (const [index, text] of command.split(" ").entries()) {
        const name = packages[index]!;
        assert.equal(text, `${name}@${manifest.peerDependencies[name]}`);
        assert.equal(manifest.peerDependenciesMeta[name].optional, true);
      }
      for (const name of dependenciesOf(packages)) if (!installed.has(name)) link(folder, name);
      // Both models left out is what is wrong now: the service itself was loaded.
      const complete = await run();
      assert.deepEqual([complete.code, /needs a model/.test(complete.err)], [2, true], complete.err);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Packages with all that they depend on, by npm's own account. */
function dependenciesOf(names: string[]): Set<string> {
  const lock = JSON.parse(readFileSync(repositoryPath("package-lock.json"), "utf8")).packages;
  const found = new Set<string>();
  const visit = (name: string) => {
    if (found.has(name)) return;
    const entry = lock[`node_modules/${name}`];
    if (!entry) return;
    found.add(name);
    for (const next of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })) visit(next);
    // What a package's peers are, is installed with it.
    for (const next of Object.keys(entry.peerDependencies ?? {})) {
      if (!entry.peerDependenciesMeta?.[next]?.optional) visit(next);
    }
  };
  for (const name of names) visit(name);
  return found;
}

function link(folder: string, name: string): void {
  const target = join(folder, "node_modules", name);
  mkdirSync(join(target, ".."), { recursive: true });
  symlinkSync(repositoryPath(`node_modules/${name}`), target);
}
