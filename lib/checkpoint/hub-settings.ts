import { homedir } from "node:os";
import { join } from "node:path";

/** Where the hub and its cache are: the same variables as Python's huggingface_hub reads. */
export interface HubSettings {
  /** Without a slash at the end. */
  endpoint: string;
  token: string | undefined;
  cacheDirectory: string;
  /** No request may leave this machine. */
  offline: boolean;
}

/** Reads HF_ENDPOINT, HF_TOKEN, HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HF_HUB_OFFLINE. */
export function readHubSettings(environment: NodeJS.ProcessEnv = process.env): HubSettings {
  // An empty variable counts as none.
  const read = (name: string) => environment[name]?.trim() || undefined;
  const userCache = read("XDG_CACHE_HOME") ?? join(homedir(), ".cache");
  const home = read("HF_HOME") ?? join(userCache, "huggingface");
  return {
    endpoint: (read("HF_ENDPOINT") ?? "https://huggingface.co").replace(/\/+$/, ""),
    token: read("HF_TOKEN"),
    cacheDirectory: expandHome(read("HF_HUB_CACHE") ?? read("HUGGINGFACE_HUB_CACHE") ?? join(home, "hub")),
    offline: /^(1|on|yes|true)$/i.test(read("HF_HUB_OFFLINE") ?? ""),
  };
}

function expandHome(path: string): string {
  return path.replace(/^~(?=$|[/\\])/, homedir());
}
