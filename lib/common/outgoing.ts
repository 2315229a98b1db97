import { readFileSync } from "node:fs";
import type { Dispatcher } from "undici";
import { ClipBlipError, isError, messageOf } from "./errors.js";
import { packagePath } from "./package-path.js";
import { proxyFor, proxyName } from "./proxies.js";

/** Options of `outgoing`. */
export interface OutgoingInit {
  /** Default "GET". */
  method?: "HEAD";
  headers?: Record<string, string>;
  /** Default "follow", which sends the header Authorization to the first origin only. */
  redirect?: "manual";
  signal?: AbortSignal;
  /** Maximum milliseconds to connect, to wait for the headers, and between two parts of the body. Default: undici's. */
  timeout?: number;
}

/**
 * Sends a request as `fetch` does, by the environment that Python's httpx reads: proxies, and the certificates in
 * SSL_CERT_FILE. A user and a password in the URL become the header Authorization. Node 20's own `fetch` knows none of
 * this.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT for unusable variables; ProxyRefusal; what `fetch` throws
 */
export async function outgoing(target: URL, { timeout, ...init }: OutgoingInit = {}): Promise<Response> {
  // Not imported before it is needed: it is large.
  const undici = await import("undici");
  const url = new URL(target);
  const headers = new undici.Headers(init.headers);
  if (!headers.has("User-Agent")) headers.set("User-Agent", userAgent());
  if (url.username !== "" || url.password !== "") {
    headers.set("Authorization", basic(url));
    url.username = url.password = "";
  }
  let proxy: URL | undefined;
  // Each redirect may need another proxy, or none.
  const agentFor = (origin: string | URL) => {
    proxy = proxyFor(new URL(origin));
    return agent(undici, proxy, timeout);
  };
  agentFor(url);
  const dispatcher = new (class extends undici.Dispatcher {
    override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
      return agentFor(options.origin!).dispatch(options, handler);
    }
  })();
  try {
    // Its types differ from those of Node's own Response, which it equals in all else.
    return (await undici.fetch(url, { ...init, headers, dispatcher })) as unknown as Response;
  } catch (error) {
    throw (proxy && refusalOf(error, proxy)) ?? error;
  }
}

/** Name and version of this package, which some servers demand. */
export function userAgent(): string {
  const { name, version, homepage } = JSON.parse(readFileSync(packagePath("package.json"), "utf8"));
  return `${name}/${version} (node/${process.versions.node}; +${homepage})`;
}

/** A proxy that did not let a request through. */
export class ProxyRefusal extends Error {
  constructor(proxy: URL, status: string, cause: unknown) {
    const advice =
      status === "407"
        ? "name the user and the password in the variable of the proxy, as http://user:password@host:port"
        : "allow the host in the proxy, or name it in NO_PROXY";
    super(`the proxy ${proxyName(proxy)} refused (status ${status}): ${advice}`, { cause });
  }
}

/** Why a request failed: `fetch` itself says only "fetch failed", what happened is its cause. */
export function reasonOf(error: unknown): string {
  if (!isError(error) || error instanceof ProxyRefusal) return messageOf(error);
  // One error for each address that was tried.
  const [inner = error.cause] = (error as Partial<AggregateError>).errors ?? [];
  return (isError(inner) && reasonOf(inner)) || error.message || error.name;
}

/** undici tells what a proxy answered only in the text of its error. */
function refusalOf(error: unknown, proxy: URL): ProxyRefusal | undefined {
  const status = /^Proxy (?:response|Authentication Required) \((\d+)\)/.exec(reasonOf(error))?.[1];
  return status === undefined ? undefined : new ProxyRefusal(proxy, status, error);
}

/** One for each proxy, timeout and set of certificates, as each keeps its connections for the next request. */
const agents = new Map<string, Dispatcher>();

function agent(undici: typeof import("undici"), proxy: URL | undefined, timeout: number | undefined): Dispatcher {
  const certificates = process.env.SSL_CERT_FILE || undefined;
  const key = JSON.stringify([proxy?.href, timeout, certificates]);
  const kept = agents.get(key);
  if (kept !== undefined) return kept;
  const limits = timeout === undefined ? {} : { headersTimeout: timeout, bodyTimeout: timeout };
  const tls = { ca: certificates && readCertificates(certificates), timeout };
  // Given to every connection: those to a proxy have other limits by default.
  const connection = (origin: string | URL, options: object) => new undici.Pool(origin, { ...options, ...limits });
  const made =
    proxy === undefined
      ? new undici.Agent({ connect: tls, ...limits })
      : new undici.ProxyAgent({
          uri: proxy.href,
          token: proxy.username || proxy.password ? basic(proxy) : undefined,
          // For http: URLs the proxy is asked for the page itself, as many open tunnels to port 443 only.
          proxyTunnel: false,
          requestTls: tls,
          proxyTls: tls,
          factory: connection,
          clientFactory: connection,
        });
  agents.set(key, made);
  return made;
}

function readCertificates(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const message = "The file of SSL_CERT_FILE cannot be read: correct the path, or unset the variable";
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", message, { cause });
  }
}

function basic({ username, password }: URL): string {
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(text).toString("base64")}`;
}
