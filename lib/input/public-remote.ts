import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import redirecting from "follow-redirects";
import { RequestFilteringHttpAgent, RequestFilteringHttpsAgent } from "request-filtering-agent";
import { ClipBlipError, type ErrorCode } from "../common/errors.js";
import { userAgent } from "../common/outgoing.js";
import { brief } from "../common/quote.js";
import { invalidArgument } from "../common/validate.js";
import { checkBytes, MAX_REMOTE_BYTES, REMOTE_TIMEOUT } from "./limits.js";
import { collectStream } from "./stream.js";

const { http, https } = redirecting;

/** A picture that could not be fetched. */
export class FetchError extends ClipBlipError {
  /** Whether another try may succeed: the server was busy, or out of reach. */
  readonly transient: boolean;

  constructor(code: ErrorCode, message: string, transient: boolean, cause?: unknown) {
    super(code, message, { cause });
    this.transient = transient;
  }

  override at(index: number): ClipBlipError {
    const { message, stack } = super.at(index);
    const copy = new FetchError(this.code, message, this.transient, this.cause);
    return Object.assign(copy, { index, stack });
  }
}

/** Options of `publicFetcher`. */
export interface PublicFetchOptions {
  /** Addresses or ranges such as "10.0.0.0/8" that may be fetched from although they are not public. Default: none. */
  allowedAddresses?: string[] | undefined;
  /** Maximum bytes of an answer. Default 50 MiB. */
  maxBytes?: number | undefined;
}

/** The bytes that a URL answers with; `name` is the URL in error messages. */
export type Fetcher = (url: URL, name: string, signal?: AbortSignal) => Promise<Uint8Array>;

/** Maximum number of redirects. */
const MAX_REDIRECTS = 3;

/** Answers that ask for another try: timeout, too early, too many requests. */
const BUSY = new Set([408, 425, 429]);

/**
 * Fetches URLs from strangers: over http and https, from public addresses only, within 30 seconds and the given bytes.
 * Every address is checked when it is connected to, also behind names and redirects, so a name that changes its address
 * between a check and the connection gains nothing. No proxy is used, as it would look up the names itself.
 *
 * @throws ClipBlipError ERR_INVALID_ARGUMENT for what is no address or range
 *
 * The fetcher rejects with FetchError: ERR_INVALID_ARGUMENT for an address that is not public, ERR_IMAGE_DECODE where
 * the server cannot be reached or refuses; with ERR_IMAGE_TOO_LARGE; and with `signal.reason`.
 */
export function publicFetcher({ allowedAddresses = [], maxBytes = MAX_REMOTE_BYTES }: PublicFetchOptions): Fetcher {
  for (const [index, range] of allowedAddresses.entries()) {
    if (!isRange(range)) {
      throw invalidArgument(`options.allowedAddresses[${index}]`, 'an address or a range such as "10.0.0.0/8"', range);
    }
  }
  const filter = { allowIPAddressList: allowedAddresses, keepAlive: true };
  const agents = { http: new RequestFilteringHttpAgent(filter), https: new RequestFilteringHttpsAgent(filter) };
  const headers = { "User-Agent": userAgent() };

  const open = (url: URL, signal: AbortSignal) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const { get } = url.protocol === "https:" ? https : http;
      get(url, { agents, headers, signal, maxRedirects: MAX_REDIRECTS }, resolve).on("error", reject);
    });

  return async (url, name, signal) => {
    const timeout = AbortSignal.timeout(REMOTE_TIMEOUT);
    const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
    try {
      return await body(await open(url, either), name, maxBytes, either);
    } catch (error) {
      signal?.throwIfAborted();
      if (timeout.aborted) throw failed(name, `no answer within ${REMOTE_TIMEOUT / 1000} seconds`, true, error);
      throw asFetchError(error, name);
    }
  };
}

function isRange(range: string): boolean {
  const [address = "", bits, ...more] = range.split("/");
  const version = isIP(address);
  if (version === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

async function body(response: IncomingMessage, name: string, limit: number, signal: AbortSignal): Promise<Uint8Array> {
  const { statusCode = 0, statusMessage = "" } = response;
  if (statusCode < 200 || statusCode > 299) {
    response.destroy();
    const reason = `the server answered ${statusCode} ${brief(statusMessage)}`.trim();
    throw failed(name, reason, statusCode >= 500 || BUSY.has(statusCode));
  }
  try {
    checkBytes(name, Number(response.headers["content-length"] ?? 0), limit);
    return await collectStream(response, { name, limit, signal });
  } finally {
    // Nothing is left of a body that was read; the rest of one that was not is not waited for.
    if (!response.complete) response.destroy();
  }
}

function asFetchError(error: unknown, name: string): ClipBlipError {
  if (error instanceof FetchError) return error;
  if (error instanceof ClipBlipError) {
    // The connection broke while the body came.
    return error.code === "ERR_IMAGE_DECODE" ? new FetchError(error.code, error.message, true, error.cause) : error;
  }
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ERR_FR_TOO_MANY_REDIRECTS") {
    return failed(name, `it was redirected more than ${MAX_REDIRECTS} times`, false, error);
  }
  if (code === "ERR_FR_REDIRECTION_FAILURE") {
    return failed(name, "it was redirected to something that is no http(s) URL", false, error);
  }
  // All errors of Node's own connections have a code; those of the filtering agents have none.
  if (code === undefined) {
    // Without the address: outsiders must not learn what names stand for inside a network.
    const sentence = `${name} could not be fetched: it leads to an address that is not public.`;
    return new FetchError("ERR_INVALID_ARGUMENT", sentence, false, error);
  }
  return failed(name, code, code !== "ENOTFOUND", error);
}

function failed(name: string, reason: string, transient: boolean, cause?: unknown): FetchError {
  return new FetchError("ERR_IMAGE_DECODE", `${name} could not be fetched: ${reason}.`, transient, cause);
}
