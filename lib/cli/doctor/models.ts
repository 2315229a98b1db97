import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { packagePath } from "../../common/package-path.js";
import type { Check } from "./check.js";

/** Checks the demo models, the models of CLIP_MODEL and BLIP_MODEL, and the models in the hub's cache. */
export function checkModels(env: NodeJS.ProcessEnv): Check[] {
  const cached = cachedModels(hubCache(env));
  return [
    checkDemo(env),
    ...(["CLIP_MODEL", "BLIP_MODEL"] as const).flatMap((name) => checkVariable(name, env[name], cached)),
    {
      name: "Hub cache",
      status: "ok",
      detail: cached.length ? cached.join(", ") : `no CLIP or BLIP model in ${hubCache(env)}`,
      data: { folder: hubCache(env), models: cached },
    },
  ];
}

function checkDemo(env: NodeJS.ProcessEnv): Check {
  const folders = ["models/demo-clip", "models/demo-blip"].map(packagePath);
  const missing = folders.filter((folder) => !existsSync(join(folder, "config.json")));
  if (missing.length === 0) return { name: "Demo models", status: "ok", detail: folders.join(", "), data: { folders } };
  return {
    name: "Demo models",
    status: env.CLIP_MODEL && env.BLIP_MODEL ? "note" : "missing",
    detail: `not in ${missing.join(", ")}`,
    remedy: "install clip-blip again, or name a model with --model, CLIP_MODEL or BLIP_MODEL",
  };
}

function checkVariable(name: string, value: string | undefined, cached: string[]): Check[] {
  if (!value) return [];
  const check: Check = { name, status: "ok", detail: value, data: { source: value } };
  if (value === "demo" || existsSync(value) || cached.includes(value)) return [check];
  if (/^[\w.-]+\/[\w.-]+$/.test(value)) {
    return [
      { ...check, status: "note", detail: `${value}, not in the hub's cache`, remedy: "its first use downloads it" },
    ];
  }
  const remedy = `set ${name} to an archive, a checkpoint folder or a hub id`;
  return [{ ...check, status: "missing", detail: `${value}, which does not exist`, remedy }];
}

function hubCache(env: NodeJS.ProcessEnv): string {
  if (env.HF_HUB_CACHE) return env.HF_HUB_CACHE;
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
  return join(home, "hub");
}

/** Hub ids of the CLIP and BLIP models in a cache folder, going by their configuration. */
function cachedModels(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.startsWith("models--"))
    .filter((name) => snapshots(join(folder, name)).some(isClipOrBlip))
    .map((name) => name.slice("models--".length).replaceAll("--", "/"));
}

function snapshots(model: string): string[] {
  const folder = join(model, "snapshots");
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
}

function isClipOrBlip(snapshot: string): boolean {
  try {
    const { model_type: type } = JSON.parse(readFileSync(join(snapshot, "config.json"), "utf8"));
    return type === "clip" || type === "blip";
  } catch {
    return false;
  }
}
