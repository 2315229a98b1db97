import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ClipModel } from "clip-blip";
import { afterAll, beforeAll, describe, it } from "vitest";
import { demoPictures, loadClip } from "./models.js";

describe("pictures by URL", () => {
  const held: (() => void)[] = [];
  const server = createServer((request, response) => {
    const answer = () => response.end(readFileSync(demoPictures[0]!));
    if (request.url === "/held") held.push(answer);
    else answer();
  });
  let clip: ClipModel;
  let url = "";
  beforeAll(async () => {
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/picture.jpg`;
    clip = await loadClip();
  });
  afterAll(async () => {
    server.close();
    await clip.close();
  });

  it("hold up nobody while their servers think", async () => {
    const slow = clip.encodeImages(Array(8).fill(new URL("/held", url)), { allowRemote: true });
    while (held.length < 8) await clip.encodeImages(demoPictures.slice(0, 1));
    for (const answer of held) answer();
    assert.equal((await slow).length, 8);
  });
});
