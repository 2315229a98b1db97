import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "vitest";

/** Variables that change how the hub is asked. */
const HUB = /^(HF_|HUGGING|TRANSFORMERS_OFFLINE|XDG_CACHE_HOME|SSL_CERT_FILE|REQUEST_METHOD)|_proxy$/i;

/** Until the test ends, no variable of the hub or of proxies is set, and HOME is an empty folder, which is returned. */
export function withoutHubVariables(t: Pick<TestContext, "onTestFinished">): string {
  const before = { ...process.env };
  const home = mkdtempSync(join(tmpdir(), "clip-blip-home-"));
  for (const name of Object.keys(process.env)) if (HUB.test(name)) delete process.env[name];
  process.env.HOME = home;
  t.onTestFinished(() => {
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, before);
    rmSync(home, { recursive: true, force: true });
  });
  return home;
}
