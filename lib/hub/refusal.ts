import { ClipBlipError } from "../common/errors.js";
import { quote } from "../common/quote.js";
import type { HubToken } from "./settings.js";

/** What was asked for, and how. */
export interface HubQuestion {
  /** The hub id. */
  id: string;
  revision: string;
  /** The path of a file or folder in the repository; "" is its root. */
  path: string;
  /** The hub, without user and password. */
  endpoint: string;
  token: HubToken | undefined;
}

/** Codes in the header X-Error-Code. */
type HubErrorCode = "RepoNotFound" | "GatedRepo" | "RevisionNotFound" | "EntryNotFound";

/** Answers after which another try may succeed. */
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * The hub refused a request: ERR_MODEL_NOT_FOUND where the model does not exist or may not be read, ERR_OFFLINE where
 * the hub, or a proxy before it, does not do its work.
 */
export class HubRefusal extends ClipBlipError {
  readonly status: number;
  /** What the hub itself says about it; undefined also if something else than a hub answered. */
  readonly hubCode: string | undefined;
  /** Seconds after which the hub wants to be asked again; undefined if it names none. */
  readonly retryAfter: number | undefined;

  constructor({ status, headers }: Response, question: HubQuestion) {
    const hubCode = headers.get("X-Error-Code") ?? undefined;
    const said = redact(headers.get("X-Error-Message") ?? "", question.token).trim();
    const retryAfter = retrySeconds(headers);
    const problem = describe(status, hubCode as HubErrorCode | undefined, said, retryAfter, question);
    const answer = `status ${status}${said && `, ${quote(said)}`}`;
    const denied = status >= 400 && status < 500 && status !== 407 && !TRANSIENT.has(status);
    super(denied ? "ERR_MODEL_NOT_FOUND" : "ERR_OFFLINE", `${problem.what} (${answer}). ${problem.remedy}`);
    this.status = status;
    this.hubCode = hubCode;
    this.retryAfter = retryAfter;
  }

  /** Whether another try may succeed. */
  get transient(): boolean {
    return TRANSIENT.has(this.status);
  }
}

/** A text without the token, which a server may have sent back. */
export function redact(text: string, token: HubToken | undefined): string {
  return token === undefined ? text : text.replaceAll(token.value, "<token>");
}

interface Problem {
  /** A sentence without its end. */
  what: string;
  /** What to do, in sentences. */
  remedy: string;
}

function describe(
  status: number,
  code: HubErrorCode | undefined,
  said: string,
  retryAfter: number | undefined,
  { id, revision, path, endpoint, token }: HubQuestion,
): Problem {
  const model = `"${id}"`;
  const part = path === "" ? model : `${quote(path)} of ${model}`;
  const login = 'log in with "hf auth login", or set HF_TOKEN to a token with access to it';
  const access = token === undefined ? login : `use a token with access to it in place of the one of ${token.source}`;
  if (code === "RevisionNotFound") {
    return {
      what: `${model} has no branch, tag or commit ${quote(revision)} on ${endpoint}`,
      remedy: "Check the option revision",
    };
  }
  if (code === "EntryNotFound") {
    return {
      what: `${model} has no ${path === "" ? "files" : quote(path)} at ${quote(revision)} on ${endpoint}`,
      remedy: "Check the options revision and subfolder",
    };
  }
  if (code === "GatedRepo") {
    return {
      what: `${part} is gated`,
      remedy: `Accept its conditions on ${endpoint}/${id}, and ${token === undefined ? login : `check that the token of ${token.source} is of the account that accepted them and may read gated models`}`,
    };
  }
  if (status === 401 && said.startsWith("Invalid credentials")) {
    return {
      what: `${endpoint} does not accept ${token === undefined ? "these credentials" : `the token of ${token.source}`}`,
      remedy:
        'It may have expired: log in again with "hf auth login", set HF_TOKEN to a new token, or remove it for a public model',
    };
  }
  if (code === "RepoNotFound" || status === 404) {
    return {
      what:
        token === undefined
          ? `${endpoint} has no public model ${model}`
          : `${endpoint} has no model ${model} that the token of ${token.source} may read`,
      remedy: `Check the name; if the model is private, ${access}`,
    };
  }
  if (status === 407) {
    return {
      what: "The proxy wants a user and a password",
      remedy: "Name them in the variable of the proxy, as HTTPS_PROXY=http://user:password@host:port",
    };
  }
  if (status === 429) {
    const when = retryAfter === undefined ? "later" : `in ${retryAfter} seconds`;
    const more = token === undefined ? '; it allows more to those who log in with "hf auth login" or set HF_TOKEN' : "";
    return { what: `${endpoint} takes no more requests for now`, remedy: `Try again ${when}${more}` };
  }
  if (TRANSIENT.has(status) || status >= 500) {
    const when = retryAfter === undefined ? "later" : `in ${retryAfter} seconds`;
    return { what: `${endpoint} is in trouble`, remedy: `Try again ${when}, or set HF_ENDPOINT to a mirror` };
  }
  if (status < 400) {
    return { what: `${endpoint} does not answer as a hub does`, remedy: "Check HF_ENDPOINT and the network" };
  }
  if (status === 401) {
    return {
      what: `${endpoint} wants ${token === undefined ? "a token" : "another token"} for ${part}`,
      remedy: `Check the name; if the model is private or gated, ${access}`,
    };
  }
  return {
    what: `${endpoint} denies access to ${part}`,
    remedy: `If the model is private or gated, ${access}`,
  };
}

/** Retry-After in seconds or as a date, or what the header RateLimit says where nothing remains. */
function retrySeconds(headers: Response["headers"]): number | undefined {
  const limit = /"\s*;\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d+)/.exec(headers.get("RateLimit") ?? "")?.[1];
  if (limit !== undefined) return Number(limit);
  const text = headers.get("Retry-After")?.trim();
  if (!text) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : Math.ceil((Date.parse(text) - Date.now()) / 1000);
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
