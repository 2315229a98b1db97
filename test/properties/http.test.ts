// Properties of the service: whatever a client sends, the answer is one that the API documents, and never a failure of the
// service itself; and the next good request is answered right.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { createServer, type JobBackend } from "clip-blip/server";
import fc from "fast-check";
import type { FastifyInstance, InjectOptions } from "fastify";
import sharp from "sharp";
import { afterAll, beforeAll, describe, it } from "vitest";
import { repositoryPath } from "../library/models.js";
import { dataUrl, LOAD } from "../server/support.js";

const RUNS = Number(process.env.CLIP_BLIP_PROPERTY_RUNS ?? 1000);
/** A run of these takes a hundred times as long as one of the others. */
const FEW = Math.ceil(RUNS / 10);

const LIMITS = {
  ...{ bodyBytes: 400_000, imageBytes: 60_000, imagePixels: 100_000 },
  ...{ images: 3, texts: 5, labels: 6, textLength: 100, beams: 3, badWords: 4, jobImages: 5, uriLength: 5000 },
};

const jobs: JobBackend = {
  enqueue: async () => ({ id: "1" }),
  status: async () => undefined,
  close: async () => {},
};

let app: FastifyInstance;
/** By method and path: the statuses that the API documents. */
const documented = new Map<string, Set<number>>();
let picture: Buffer;
let image: string;
let expected: unknown;

beforeAll(async () => {
  picture = await sharp({ create: { width: 32, height: 24, channels: 3, background: "red" } })
    .jpeg()
    .toBuffer();
  image = dataUrl(picture);
  app = createServer({ logger: false, load: { ...LOAD, maxBatchSize: 4 }, limits: LIMITS, jobs });
  await app.listen({ port: 0 });
  while ((await app.inject("/health/ready")).statusCode !== 200) await new Promise((again) => setTimeout(again, 20));
  const { paths } = (await app.inject("/openapi.json")).json();
  for (const [path, methods] of Object.entries<Record<string, { responses: object }>>(paths)) {
    for (const [method, { responses }] of Object.entries(methods)) {
      documented.set(`${method.toUpperCase()} ${path}`, new Set(Object.keys(responses).map(Number)));
    }
  }
  expected = await goodAnswer();
});
afterAll(() => app.close());

async function goodAnswer(): Promise<unknown> {
  const payload = { images: [image], labels: ["circle", "square"] };
  const response = await app.inject({ method: "POST", url: "/api/v1/classifications", payload });
  assert.equal(response.statusCode, 200);
  return response.json();
}

interface Answered {
  status: number;
  type: string;
  text: string;
}

const SECRETS = [repositoryPath("."), "node_modules", "file:///", ".js:", ".ts:", "    at ", "Vips", "frame #"];

/** An answer that the API documents, in one shape where it is no success. */
function assertDocumented({ status, type, text }: Answered, statuses: ReadonlySet<number>): void {
  const told = `${status}: ${text.slice(0, 1000)}`;
  assert.ok(status < 500 && statuses.has(status), told);
  assert.match(type, /^application\/json/, told);
  const body = JSON.parse(text);
  if (status < 300) {
    // What JSON has for NaN and the infinite.
    assert.doesNotMatch(text, /[[:,]null/, told);
    return;
  }
  const { code, message, index, ...rest } = body.error;
  assert.deepEqual([Object.keys(body), rest], [["error"], {}], told);
  assert.match(code, /^ERR_(?!INTERNAL)[A-Z_]+$/, told);
  assert.ok(index === undefined || Number.isInteger(index), told);
  assert.match(message, /^.{5,1000}[.…]?$/, told);
  for (const secret of SECRETS) assert.ok(!text.includes(secret), `${secret} in ${told}`);
}

async function send(options: InjectOptions & { url: string; method: "POST" | "GET" }): Promise<number> {
  const { statusCode: status, headers, body: text } = await app.inject(options);
  const statuses = documented.get(`${options.method} ${options.url}`) ?? new Set([400, 404, 413, 415]);
  assertDocumented({ status, type: String(headers["content-type"]), text }, statuses);
  return status;
}

const sendJson = (url: string, payload: string | Buffer) =>
  send({ method: "POST", url, payload, headers: { "content-type": "application/json" } });

/** A good body of each route that takes one. */
const goodBodies = (): Record<string, Record<string, unknown>> => ({
  "/api/v1/embeddings/images": { images: [image], normalize: true },
  "/api/v1/embeddings/texts": { texts: ["a red circle"], normalize: false, truncate: true },
  "/api/v1/captions": { images: [image], prompt: "a", maxLength: 6, numBeams: 2 },
  "/api/v1/classifications": { images: [image], labels: ["a", "b"], template: ["a {}", "one {}"] },
  "/v1/embeddings": { input: ["a", image], encoding_format: "base64", model: "x" },
  "/api/v1/jobs": { type: "captions", images: ["file:///a.jpg", { key: "b", uri: "data:,a" }], options: { topK: 3 } },
});
const ROUTES = Object.keys(goodBodies());
const PICTURE_ROUTES = ROUTES.filter((route) => /images|captions|classifications/.test(route));

/** Text with what is odd in it: lone surrogates, NUL, lines, directions, names that every object has. */
const oddText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("\ud800", "\0", "a\r\nb", "\u202e", "__proto__", "constructor", "toString", "then", "", "{}"),
  fc.integer({ min: 90, max: 200 }).map((length) => "x".repeat(length)),
);
const oddNumber = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, -1, 0.5, 1e308, -1e308, 5e-324, 2 ** 31, 2 ** 53, 2 ** 64),
);
const oddValue = fc.oneof(
  fc.jsonValue(),
  oddText,
  oddNumber,
  fc.array(oddText, { maxLength: 8 }),
  fc.array(oddNumber, { maxLength: 3 }),
  fc.dictionary(oddText, fc.jsonValue(), { maxKeys: 3 }),
);

/** JSON of entries, names that JavaScript would take for itself included. */
const jsonOf = (entries: (readonly [string, unknown])[]): string =>
  `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join()}}`;

describe("a body of JSON", () => {
  it("of any shape is answered as documented", async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...ROUTES), oddValue, async (route, value) => {
        assert.ok((await sendJson(route, JSON.stringify(value))) >= 400);
      }),
      { numRuns: RUNS },
    );
    assert.deepEqual(await goodAnswer(), expected);
  });

  it("that is nearly right is answered as documented", async () => {
    // Many at once: of the findings of a schema only the first are told.
    const crowd = fc.array(oddText, { minLength: 9, maxLength: 12 });
    const change = fc.record({ place: fc.nat(5), drop: fc.boolean(), name: fc.option(oddText), value: oddValue });
    const counts = { taken: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...ROUTES),
        fc.array(change, { minLength: 1, maxLength: 2 }),
        fc.option(crowd, { freq: 10 }),
        async (route, changes, names) => {
          const entries = Object.entries(goodBodies()[route]!);
          for (const { place, drop, name, value } of changes) {
            const at = place % entries.length;
            // One less, another value, another name, or one more.
            if (drop && entries.length > 1) entries.splice(at, 1);
            else if (name === null) entries[at] = [entries[at]![0], value];
            else if (place % 2 === 0) entries[at] = [name, entries[at]![1]];
            else entries.push([name, value]);
          }
          for (const name of names ?? []) entries.push([name, 1]);
          counts[(await sendJson(route, jsonOf(entries))) < 300 ? "taken" : "refused"]++;
        },
      ),
      { numRuns: RUNS },
    );
    assert.ok(counts.taken > RUNS / 100 && counts.refused > RUNS / 10, JSON.stringify(counts));
    assert.deepEqual(await goodAnswer(), expected);
  });

  it("with damaged bytes, or nested beyond measure, is answered as documented", async () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...ROUTES),
        share,
        share,
        fc.oneof(
          fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
          fc.constantFrom('"__proto__":{"a":1},', "\ufeff", "\0", "NaN", "1e999", "\\ud800", "//").map(Buffer.from),
          fc
            .tuple(
              fc.constantFrom(
                ...([
                  ["[", "]"],
                  ['{"a":', "}"],
                ] as const),
              ),
              fc.integer({ min: 1, max: 30_000 }),
            )
            .map(([[open, close], depth]) => Buffer.from(`${open.repeat(depth)}1${close.repeat(depth)}`)),
        ),
        async (route, from, length, bytes) => {
          const good = Buffer.from(JSON.stringify(goodBodies()[route]));
          const start = Math.floor(from * good.length);
          const end = start + Math.floor(length * length * 40);
          await sendJson(route, Buffer.concat([good.subarray(0, start), bytes, good.subarray(end)]));
        },
      ),
      { numRuns: RUNS },
    );
    assert.deepEqual(await goodAnswer(), expected);
  });

  it("with options of generation in any number is answered with numbers, or refused", async () => {
    const whole = fc.oneof(fc.integer({ min: 0, max: 12 }), oddNumber);
    const factor = fc.oneof(fc.double({ min: -3, max: 3, noNaN: true }), oddNumber);
    const values: Record<string, fc.Arbitrary<unknown>> = {
      ...{ maxLength: whole, maxNewTokens: whole, minLength: whole, minNewTokens: whole, numBeams: fc.nat(4) },
      ...{
        numReturnSequences: fc.nat(4),
        repetitionPenalty: factor,
        noRepeatNgramSize: whole,
        topK: whole,
        seed: whole,
      },
      ...{ doSample: fc.boolean(), lengthPenalty: factor, earlyStopping: fc.constantFrom(true, false, "never") },
      ...{ temperature: factor, topP: fc.double({ min: 0, max: 1, noNaN: true }), prompt: oddText },
      badWords: fc.array(oddText, { maxLength: 5 }),
    };
    const option = fc.constantFrom(...Object.keys(values)).chain((name) => fc.tuple(fc.constant(name), values[name]!));
    const counts = { taken: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(option, { maxLength: 3 }),
        fc.constantFrom<object>({}, { numBeams: 3 }, { doSample: true }, { numBeams: 2, doSample: true }),
        async (options, search) => {
          // A short text unless it is asked for a long one: the property is about what the numbers do.
          const given = { images: [image], maxLength: 8, ...search, ...Object.fromEntries(options) };
          counts[(await sendJson("/api/v1/captions", JSON.stringify(given))) < 300 ? "taken" : "refused"]++;
        },
      ),
      { numRuns: 3 * FEW },
    );
    assert.ok(counts.taken > FEW / 2 && counts.refused > FEW / 2, JSON.stringify(counts));
    assert.deepEqual(await goodAnswer(), expected);
  });
});

/** A part of a form, well-formed or not. */
const part = fc.record({
  disposition: fc.oneof(
    fc.constantFrom(
      ...['form-data; name="file"; filename="a.jpg"', 'form-data; name="labels"', 'form-data; name="images"'],
      ...["form-data", "attachment", 'form-data; name=""', 'form-data; name="__proto__"', 'form-data; name="a'],
      ...['form-data; name="file"; filename=""', 'form-data; name="file"; filename="../../etc/passwd\0"'],
      ...['form-data; name="maxLength"', 'form-data; name="prompt"', "form-data; name*=utf-8''%ff%00"],
      `form-data; name="${"n".repeat(300)}"; filename="${"f".repeat(3000)}"`,
    ),
    oddText.map((name) => `form-data; name="${name}"; filename="${name}"`),
  ),
  headers: fc.oneof(
    fc.constant(""),
    fc.constantFrom(
      "Content-Type: image/jpeg\r\n",
      "Content-Transfer-Encoding: base64\r\n",
      "x\r\n",
      ": \r\n",
      "\0\r\n",
    ),
    fc.integer({ min: 1, max: 3000 }).map((count) => `X-${count}: a\r\n`.repeat(count)),
  ),
  content: fc.oneof(fc.constant("picture" as const), oddText, fc.uint8Array({ maxLength: 300 })),
});

const goodPart = {
  disposition: 'form-data; name="file"; filename="a.jpg"',
  headers: "Content-Type: image/jpeg\r\n",
  content: "picture" as const,
};

describe("a form", () => {
  it("of any parts is answered as documented", async () => {
    const statuses = new Set<number>();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...PICTURE_ROUTES),
        fc.oneof(
          fc.array(part, { maxLength: 5 }),
          fc.tuple(fc.constant(goodPart)),
          fc.tuple(fc.constant(goodPart), part),
        ),
        fc.constantFrom("x", "x", "x", "-", "--", "a b", "'", "x".repeat(70), "x".repeat(300), ""),
        fc.constantFrom("whole", "whole", "unended", "cut", "lf", "preamble"),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (url, parts, boundary, way, share) => {
          let body = Buffer.concat([
            ...parts.flatMap(({ disposition, headers, content }) => [
              Buffer.from(`--${boundary}\r\nContent-Disposition: ${disposition}\r\n${headers}\r\n`),
              content === "picture" ? picture : Buffer.from(content),
              Buffer.from("\r\n"),
            ]),
            Buffer.from(way === "unended" ? "" : `--${boundary}--\r\n`),
          ]);
          if (way === "cut") body = body.subarray(0, Math.floor(share * body.length));
          if (way === "lf") body = Buffer.from(body.toString("latin1").replaceAll("\r\n", "\n"), "latin1");
          if (way === "preamble") body = Buffer.concat([Buffer.from("what comes before\r\n"), body]);
          const headers = { "content-type": `multipart/form-data; boundary="${boundary}"` };
          statuses.add(await send({ method: "POST", url, headers, payload: body }));
        },
      ),
      { numRuns: RUNS },
    );
    assert.ok(statuses.has(200) && statuses.has(422) && statuses.has(400), [...statuses].join());
    assert.deepEqual(await goodAnswer(), expected);
  });
});

describe("a request", () => {
  it("of any media type, length and path is answered as documented", async () => {
    const header = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) });
    const type = fc.oneof(
      header,
      fc.constantFrom("application/json; charset=utf-16", "multipart/form-data", "text/plain", "APPLICATION/JSON", ","),
      fc.tuple(fc.constantFrom("application/json", "multipart/form-data"), header).map((halves) => halves.join(";")),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...ROUTES, "/api/v1/nowhere"),
        type,
        fc.option(fc.oneof(fc.nat(1000).map(String), fc.constantFrom("-1", "1e3", "0x10", "", "9".repeat(30), "a"))),
        fc.option(fc.constantFrom("gzip", "deflate", "br", "identity", "x")),
        async (url, contentType, length, encoding) => {
          const headers: Record<string, string> = { "content-type": contentType };
          if (length !== null) headers["content-length"] = length;
          if (encoding !== null) headers["content-encoding"] = encoding;
          await send({ method: "POST", url, headers, payload: JSON.stringify(goodBodies()[url] ?? {}) });
        },
      ),
      { numRuns: RUNS },
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.webPath(), header), async (path) => {
        const { statusCode: status, headers, body: text } = await app.inject(`/api/v1/jobs/${encodeURI(path)}%`);
        assertDocumented({ status, type: String(headers["content-type"]), text }, new Set([400, 404, 414, 422]));
      }),
      { numRuns: RUNS },
    );
    assert.deepEqual(await goodAnswer(), expected);
  });

  it("that is damaged on its way is answered as documented, or not at all", async () => {
    const { port } = app.server.address() as AddressInfo;
    const exchange = async (request: Buffer): Promise<string> => {
      const socket = connect(port, "127.0.0.1");
      let answer = "";
      socket.setEncoding("latin1").on("data", (text) => {
        answer += text;
      });
      // The server may hang up before it has read everything.
      socket.on("error", () => {});
      socket.end(request);
      await once(socket, "close");
      return answer;
    };
    const damage = fc.oneof(
      fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom(
          ...["Content-Length: 5\r\n", "Content-Length: -1\r\n", "Transfer-Encoding: chunked\r\n", "\r\n", "\n", "\0"],
          ...["Transfer-Encoding: chunked, x\r\n", `X: ${"x".repeat(20_000)}\r\n`, "X: \x01\r\n", "Expect: x\r\n", "%"],
          ...["Host: a\r\n", "Upgrade: websocket\r\nConnection: upgrade\r\n", "Content-Type: text/plain\r\n", " "],
        )
        .map((text) => Buffer.from(text, "latin1")),
    );
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...ROUTES), share, damage, fc.boolean(), async (route, at, bytes, cut) => {
        const body = JSON.stringify(goodBodies()[route]);
        const lines = [
          `POST ${route} HTTP/1.1`,
          "Host: localhost",
          "Connection: close",
          "Content-Type: application/json",
        ];
        const head = `${lines.join("\r\n")}\r\n`;
        const good = Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
        // A place in the head at which a line begins, half of the time.
        const place = cut ? Math.floor(at * 200) : head.indexOf("\r\n", Math.floor(at * (head.length - 2))) + 2;
        const text = await exchange(
          Buffer.concat([good.subarray(0, place), bytes, good.subarray(place + (cut ? 1 : 0))]),
        );
        if (text === "") return;
        answered++;
        const [, status, headers, answer] = /^HTTP\/1\.1 (\d+) [^\r]*\r\n(.*?)\r\n\r\n(.*)$/s.exec(text)!;
        // Node itself answers what lacks a host, or expects what it does not know, with a status alone.
        if (/^(0\r\n\r\n)?$/.test(answer!) && /^4(00|17)$/.test(status!)) return;
        const type = /^content-type: (.*)$/im.exec(headers!)?.[1] ?? "";
        const statuses = new Set([...documented.get(`POST ${route}`)!, 404, 408, 414, 417, 431]);
        assertDocumented({ status: Number(status), type, text: answer! }, statuses);
      }),
      { numRuns: FEW * 3 },
    );
    assert.ok(answered > FEW);
    assert.deepEqual(await goodAnswer(), expected);
  });
});
