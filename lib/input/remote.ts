import { ClipBlipError } from "../common/errors.js";
import { outgoing, reasonOf } from "../common/outgoing.js";
import { checkBytes, MAX_REMOTE_BYTES, REMOTE_TIMEOUT } from "./limits.js";
import { collectStream } from "./stream.js";

/**
 * The bytes that an `http(s):` URL answers with: 50 MB at most, within 30 seconds, redirects followed (to `http(s):` only,
 * which `fetch` sees to), through the proxy of HTTP_PROXY, HTTPS_PROXY or ALL_PROXY if there is one.
 *
 * Private and link-local addresses are not kept out here. A program that takes URLs from strangers has to do that
 * itself, as this package's HTTP service does; a library that fetches what its own program names need not.
 *
 * @throws ERR_IMAGE_DECODE where the server cannot be reached or refuses, ERR_IMAGE_TOO_LARGE, `signal.reason`
 */
export async function fetchImage(url: URL, name: string, signal?: AbortSignal): Promise<Uint8Array> {
  const timeout = AbortSignal.timeout(REMOTE_TIMEOUT);
  const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
  try {
    const response = await outgoing(url, { signal: either });
    if (!response.ok) {
      await response.body?.cancel();
      throw failed(name, `the server answered ${response.status} ${response.statusText}`.trim());
    }
    if (!response.body) return new Uint8Array();
    const announced = Number(response.headers.get("content-length") ?? 0);
    if (announced > MAX_REMOTE_BYTES) await response.body.cancel();
    checkBytes(name, announced, MAX_REMOTE_BYTES);
    return await collectStream(response.body, { name, limit: MAX_REMOTE_BYTES, signal: either });
  } catch (error) {
    signal?.throwIfAborted();
    if (timeout.aborted) throw failed(name, `no answer within ${REMOTE_TIMEOUT / 1000} seconds`, error);
    throw error instanceof ClipBlipError ? error : failed(name, reasonOf(error), error);
  }
}

function failed(name: string, reason: string, cause?: unknown): ClipBlipError {
  return new ClipBlipError("ERR_IMAGE_DECODE", `${name} could not be fetched: ${reason}.`, { cause });
}
