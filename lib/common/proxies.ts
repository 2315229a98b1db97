import { ClipBlipError } from "./errors.js";

/**
 * The proxy of a URL, from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY: those that Python's httpx takes, which
 * huggingface_hub sends its requests with. Undefined where the request goes straight to its host.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT if the variable names no HTTP proxy
 */
export function proxyFor(url: URL, environment: NodeJS.ProcessEnv = process.env): URL | undefined {
  const proxies = proxyVariables(environment);
  const scheme = url.protocol.slice(0, -1);
  const name = proxies.has(scheme) ? scheme : "all";
  const proxy = proxies.get(name);
  if (proxy === undefined) return undefined;
  const exceptions = (proxies.get("no") ?? "").split(",").map((entry) => entry.trim());
  return exceptions.some((entry) => isException(entry, url)) ? undefined : parseProxy(proxy, name);
}

/** The host of a proxy, for messages: without its user and password. */
export function proxyName(proxy: URL): string {
  return `${proxy.protocol}//${proxy.host}`;
}

/** The values of the variables `<scheme>_proxy`, by scheme. The lower-case spelling wins, also if it is empty. */
function proxyVariables(environment: NodeJS.ProcessEnv): Map<string, string> {
  const values = new Map<string, string>();
  const variables = Object.entries(environment).filter(([name]) => /^[^_]+_proxy$/i.test(name));
  for (const [name, value] of variables) if (value) values.set(schemeOf(name), value);
  // A web server that runs a CGI script sets HTTP_PROXY to what the client sent as the header "Proxy".
  if (environment.REQUEST_METHOD !== undefined) values.delete("http");
  for (const [name, value] of variables) {
    if (!name.endsWith("_proxy")) continue;
    if (value) values.set(schemeOf(name), value);
    else values.delete(schemeOf(name));
  }
  return values;
}

function schemeOf(variable: string): string {
  return variable.slice(0, -"_proxy".length).toLowerCase();
}

/**
 * Whether an entry of NO_PROXY is about a URL: "*" is about all, "example.com" about itself and the hosts below it,
 * ".example.com" only about those, an address and "localhost" only about itself. A port or scheme restricts it.
 */
function isException(entry: string, url: URL): boolean {
  if (entry === "*") return true;
  const [, scheme, host = "", port] =
    /^(?:([a-z]+):\/\/)?(\[[^\]]*\]|[^/:]*:[^/]*:[^/]*|[^/:]*)(?::(\d+))?(?:\/.*)?$/i.exec(entry) ?? [];
  const name = bare(host);
  if (name === "" || (scheme && scheme !== "all" && `${scheme}:` !== url.protocol)) return false;
  if (port !== undefined && port !== url.port) return false;
  const own = bare(url.hostname);
  if (name.startsWith(".")) return own.endsWith(name);
  const isAddress = name.includes(":") || /^\d+(\.\d+){3}$/.test(name);
  const alone = scheme !== undefined || (port === undefined && (name === "localhost" || isAddress));
  return own === name || (!alone && own.endsWith(`.${name}`));
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, "").toLowerCase();
}

function parseProxy(value: string, scheme: string): URL {
  const text = value.includes("://") ? value : `http://${value}`;
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) return new URL(text);
  // The value is not shown: it may contain a password.
  throw new ClipBlipError(
    "ERR_INVALID_ARGUMENT",
    `${scheme.toUpperCase()}_PROXY must name an HTTP proxy, such as http://proxy.example:3128; SOCKS is not supported`,
  );
}
