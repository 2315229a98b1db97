import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { asClipBlipError } from "../../common/errors.js";
import { packagePath } from "../../common/package-path.js";
import { proxyFor, proxyName } from "../../common/proxies.js";
import { publicEndpoint, readHubSettings, readHubToken } from "../../hub/settings.js";
import type { Check } from "./check.js";

/** Checks the demo models, the models of CLIP_MODEL and BLIP_MODEL, how the hub is reached, and its cache. */
export function checkModels(env: NodeJS.ProcessEnv): Check[] {
  let hub: Check[];
  let cached: string[] = [];
  try {
    const { cacheDirectory: folder } = readHubSettings(env);
    cached = cachedModels(folder);
    const detail = cached.length ? cached.join(", ") : `no CLIP or BLIP model in ${folder}`;
    hub = [checkHub(env), { name: "Hub cache", status: "ok", detail, data: { folder, models: cached } }];
  } catch (error) {
    const remedy = asClipBlipError(error).message;
    hub = [{ name: "Hub", status: "note", detail: "a variable has a value that cannot be used", remedy }];
  }
  return [
    checkDemo(env),
    ...(["CLIP_MODEL", "BLIP_MODEL"] as const).flatMap((name) => checkVariable(name, env[name], cached)),
    ...hub,
  ];
}

/** Where models are downloaded from, and how; no token and no password. */
function checkHub(env: NodeJS.ProcessEnv): Check {
  const { endpoint, offline } = readHubSettings(env);
  const shown = publicEndpoint(endpoint);
  if (offline) return { name: "Hub", status: "note", detail: `not used, as ${offline} is set`, data: { offline } };
  const token = readHubToken(env)?.source;
  const url = proxyFor(new URL(endpoint), env);
  const proxy = url && proxyName(url);
  return {
    name: "Hub",
    status: "ok",
    detail: `${shown}, ${token ? `token of ${token}` : "no token"}${proxy ? `, through ${proxy}` : ""}`,
    data: { endpoint: shown, token, proxy },
  };
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

/** Whether a configuration in a snapshot, or in one of its folders, is that of a CLIP, SigLIP or BLIP. */
function isClipOrBlip(snapshot: string): boolean {
  const files = readdirSync(snapshot, { recursive: true, encoding: "utf8" });
  return files.some((file) => {
    if (basename(file) === "open_clip_config.json") return true;
    if (basename(file) !== "config.json") return false;
    try {
      const { model_type: type } = JSON.parse(readFileSync(join(snapshot, file), "utf8"));
      return /^(clip|siglip2?|blip)(_|$)/.test(type);
    } catch {
      return false;
    }
  });
}
