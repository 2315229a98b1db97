import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { ClipModel } from "clip-blip";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, it } from "vitest";
import { demoPictures, loadClip, repositoryPath } from "../library/models.js";
import { deferred, fakeClip, listen, type Running, ready, request } from "./support.js";

const BROKEN = repositoryPath("models/demo-pictures/captions.json");
const [first, second, third] = demoPictures as [string, string, string];

/** Debian's Chromium, wherever the PATH has it. */
function findChromium(): string {
  const folders = process.env.PATH!.split(delimiter);
  const found = folders.flatMap((folder) => ["chromium", "google-chrome"].map((name) => join(folder, name)));
  const path = found.find((candidate) => existsSync(candidate));
  assert.ok(path, "Chromium is not installed: apt-get install chromium");
  return path;
}

describe("the page", () => {
  let browser: Browser;
  let service: Running;
  const open: { close(): Promise<void> }[] = [];
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: findChromium(),
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    });
    service = await listen();
    await ready(service.url);
  });
  afterEach(async () => {
    // Last opened, first closed: a server waits for the connections that a browser has opened and not used yet.
    for (const one of open.splice(0).reverse()) await one.close();
  });
  afterAll(async () => {
    await browser.close();
    await service.app.close();
  });

  /** Opens the page; fails the test on an exception in it, on a breach of its policy, or on a request elsewhere. */
  async function visit(url = service.url, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext(options);
    open.push(context);
    // What tsx wraps named functions in, in those too that run in the page.
    await context.addInitScript("globalThis.__name = (named) => named");
    const page = await context.newPage();
    page.on("pageerror", (error) => assert.fail(error));
    page.on("console", (message) => {
      assert.doesNotMatch(message.text(), /Content Security Policy|Refused/);
    });
    page.on("request", (asked) => {
      const { protocol, origin } = new URL(asked.url());
      assert.ok(protocol === "blob:" || protocol === "data:" || origin === new URL(url).origin, asked.url());
    });
    await page.goto(url);
    return page;
  }
  const cards = (page: Page) => page.locator(".picture");
  const done = (page: Page, count: number) =>
    page.waitForFunction((wanted) => document.querySelectorAll('.caption[data-state="done"]').length === wanted, count);
  const names = (page: Page) => page.locator(".name").allTextContents();

  it("comes with a strict policy, and nothing of the package beside it", async () => {
    const { status, headers, body } = await request(service.url);
    assert.equal(status, 200);
    assert.match(headers.get("content-security-policy")!, /^default-src 'none'; script-src 'self';/);
    assert.doesNotMatch(headers.get("content-security-policy")!, /unsafe/);
    for (const [, source] of body.matchAll(/(?:src|href)="([^"]+)"/g)) {
      assert.equal((await request(new URL(source, service.url).href)).status, 200, source);
    }
    for (const path of ["/main.d.ts", "/main.js.map", "/main.ts", "/..%2findex.js", "/page/main.js", "/package.json"]) {
      assert.equal((await request(service.url + path)).status, 404, path);
    }
  });

  it("writes captions under pictures, scores labels as bars, and finds pictures by words", async () => {
    const page = await visit();
    await page.setInputFiles("#files", [first, second, third]);
    await done(page, 3);
    const captions = await page.locator(".caption").allTextContents();
    assert.match(captions[1]!, /heart on a blue background/);
    // Broken pictures have no width.
    assert.ok(
      await page
        .locator(".preview")
        .evaluateAll((all) => all.every((one) => (one as HTMLImageElement).naturalWidth > 0)),
    );

    await page.fill("#labels", "circle, heart, triangle");
    await page.waitForFunction(() => document.querySelectorAll(".labels:not([hidden])").length === 3);
    const rows = await cards(page).nth(1).locator(".labels li").allTextContents();
    assert.match(rows[0]!, /^\s*heart\s+\d+ %/);
    const widths = await cards(page)
      .nth(1)
      .locator(".bar")
      .evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect().width / bar.parentElement!.clientWidth));
    assert.ok(widths[0]! > 0.5 && widths[0]! > widths[1]! && widths[1]! >= widths[2]!, String(widths));
    assert.ok(Math.abs(widths.reduce((sum, width) => sum + width) - 1) < 0.02, String(widths));

    await page.fill("#search", "a heart");
    await page.waitForFunction(() => document.querySelector(".name")!.textContent === "scene-02.png");
    const matches = (await page.locator(".match").allTextContents()).map((text) => Number(text.replace("match ", "")));
    assert.deepEqual(
      matches,
      [...matches].sort((a, b) => b - a),
    );
    await page.fill("#search", "");
    await page.waitForFunction(() => document.querySelector(".name")!.textContent === "scene-01.jpg");
    assert.equal(await page.locator(".match:visible").count(), 0);

    await page.getByRole("button", { name: "Remove scene-02.png" }).click();
    assert.deepEqual(await names(page), ["scene-01.jpg", "scene-03.jpg"]);
    await page.getByRole("button", { name: "Remove all" }).click();
    assert.equal(await cards(page).count(), 0);
    assert.ok(await page.getByText("Drop pictures here").isVisible());
  });

  it("takes pictures that are dropped and pasted", async () => {
    const page = await visit();
    const { readFileSync } = await import("node:fs");
    const bytes = [...readFileSync(second)];
    await page.evaluate((content) => {
      const file = (name: string) => new File([new Uint8Array(content)], name, { type: "image/png" });
      const dropped = new DataTransfer();
      dropped.items.add(file("dropped.png"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
      const pasted = new DataTransfer();
      pasted.items.add(file("pasted.png"));
      document.body.dispatchEvent(
        new ClipboardEvent("paste", { clipboardData: pasted, bubbles: true, cancelable: true }),
      );
    }, bytes);
    await done(page, 2);
    assert.deepEqual(await names(page), ["dropped.png", "pasted.png"]);
  });

  it("shows a broken file as such, beside those that are not", async () => {
    const page = await visit();
    await page.setInputFiles("#files", [first, BROKEN, second]);
    await done(page, 2);
    const broken = cards(page).nth(1);
    await broken.locator('.caption[data-state="failed"]').waitFor();
    assert.match((await broken.locator(".caption").textContent())!, /not a picture in a supported format/);
    assert.ok(await broken.getByText("No preview").isVisible());
    await page.fill("#labels", "circle, heart");
    await page.waitForFunction(() => document.querySelectorAll(".labels:not([hidden])").length === 2);
    assert.equal(await broken.locator(".labels:visible").count(), 0);
    await page.fill("#search", "a heart");
    await page.waitForFunction(() => document.querySelector(".name")!.textContent === "scene-02.png");
    assert.deepEqual(await names(page), ["scene-02.png", "scene-01.jpg", "captions.json"]);
  });

  it("works with the keyboard alone", async () => {
    const page = await visit();
    const focused = () =>
      page.evaluate(() => (document.activeElement as HTMLElement).id || document.activeElement!.className);
    const tabTo = async (wanted: string) => {
      for (let tabs = 0; (await focused()) !== wanted; tabs++) {
        assert.ok(tabs < 20, `Tab does not reach ${wanted}`);
        await page.keyboard.press("Tab");
      }
    };
    // Asked for well before it comes: the browser has to be told to hand it over, and a busy one has opened its own by then.
    const chooser = page.waitForEvent("filechooser");
    await tabTo("files");
    // The field is not to be seen, but its button shows where the focus is.
    assert.notEqual(await page.locator(".button").evaluate((button) => getComputedStyle(button).outlineStyle), "none");
    await page.keyboard.press("Space");
    await (await chooser).setFiles([first, second]);
    await done(page, 2);
    await tabTo("search");
    await page.keyboard.type("a heart");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector(".name")!.textContent === "scene-02.png");
    await tabTo("labels");
    await page.keyboard.type("circle, heart");
    await page.waitForFunction(() => document.querySelectorAll(".labels:not([hidden])").length === 2);
    await tabTo("remove");
    await page.keyboard.press("Enter");
    assert.deepEqual(await names(page), ["scene-01.jpg"]);
    assert.equal(await focused(), "picture", "the focus goes on to the next picture");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    assert.equal(await cards(page).count(), 0);
    assert.equal(await focused(), "files");
  });

  it("has a name for whatever can be used, and says what happened to those who do not see it", async () => {
    const page = await visit();
    await page.setInputFiles("#files", [first, BROKEN]);
    await page.waitForFunction(() => /described/.test(document.getElementById("announcer")!.textContent!));
    assert.equal(await page.locator("#announcer").textContent(), "Pictures described: 1; could not be read: 1.");
    const unnamed = await page.locator("button:visible, a:visible, input").evaluateAll(
      (all) =>
        all.filter((one) => {
          const labels = [...((one as HTMLInputElement).labels ?? [])].map((label) => label.textContent).join("");
          return !(one.getAttribute("aria-label") ?? (one.textContent!.trim() || labels));
        }).length,
    );
    assert.equal(unnamed, 0);
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
  });

  for (const colorScheme of ["light", "dark"] as const) {
    it(`is wide enough for a phone, and easy to read, in ${colorScheme} mode`, async () => {
      const page = await visit(service.url, { colorScheme, viewport: { width: 320, height: 640 }, hasTouch: true });
      const overflow = () =>
        page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(await overflow(), 0);
      const long = `a very long label that has no end ${"x".repeat(80)}`;
      await page.setInputFiles("#files", [first, BROKEN]);
      await done(page, 1);
      await page.fill("#labels", `circle, ${long}`);
      await page.fill("#search", "a heart");
      await page.waitForFunction(() => document.querySelectorAll(".labels:not([hidden])").length === 1);
      await page.waitForFunction(() => document.querySelectorAll(".match:not([hidden])").length === 1);
      assert.equal(await overflow(), 0);
      const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const brightness = Number(/\d+/.exec(background)![0]);
      assert.ok(colorScheme === "dark" ? brightness < 60 : brightness > 200, background);
      const ratios = await page.evaluate(contrasts, [
        ...["h1", ".state", "nav a", ".drop p", ".button", ".field label", ".field small", ".match"],
        ...[".caption", ".name", ".percent", '.caption[data-state="failed"]', ".no-preview"],
      ]);
      for (const [selector, ratio] of ratios) assert.ok(ratio >= 4.5, `${selector}: ${ratio}`);
    });
  }

  it("says that the service is loading, and goes on by itself when it is ready", async () => {
    const { promise: warmedUp, resolve: finish } = deferred();
    const clip: ClipModel = await loadClip();
    open.push(clip);
    const slow = await listen({
      blip: false,
      clip: async () => {
        await warmedUp;
        return clip;
      },
    });
    open.push(slow.app);
    const page = await visit(slow.url);
    await page.getByText("The models are loading…").waitFor();
    await page.setInputFiles("#files", [first, second]);
    assert.equal(await cards(page).count(), 2);
    assert.equal(await page.locator('.caption[data-state="waiting"]').count(), 2);
    finish();
    await page.getByText("Ready: clip on cpu, float32").waitFor();
    await page.fill("#search", "a heart");
    await page.waitForFunction(() => document.querySelectorAll(".match:not([hidden])").length === 2);
    // There is no model for captions here.
    assert.equal(await page.locator(".caption:visible").count(), 0);
  });

  it("says that the service is gone, and goes on when it is back", async () => {
    const stopped = await listen({ clip: fakeClip(), blip: false });
    const { port } = new URL(stopped.url);
    await ready(stopped.url);
    const page = await visit(stopped.url);
    await page.getByText(/^Ready/).waitFor();
    await stopped.app.close();
    await page.setInputFiles("#files", [first]);
    await page.getByText(/cannot be reached/).waitFor();
    const { createServer } = await import("clip-blip/server");
    const again = createServer({ logger: false, clip: fakeClip(), blip: false });
    await again.listen({ port: Number(port) });
    open.push(again);
    await page.getByText(/^Ready/).waitFor();
    await page.fill("#search", "anything");
    await page.getByText("match 1.00").waitFor();
  });

  it("asks again when the queue is full", async () => {
    let refuse = 2;
    const busy = await listen({ clip: fakeClip(), blip: false });
    open.push(busy.app);
    await ready(busy.url);
    const page = await visit(busy.url);
    await page.route("**/api/v1/embeddings/images", (route) =>
      refuse-- > 0
        ? route.fulfill({ status: 429, json: { error: { code: "ERR_QUEUE_FULL", message: "Too many items wait." } } })
        : route.continue(),
    );
    await page.setInputFiles("#files", [first]);
    await page.fill("#search", "anything");
    await page.getByText("match 1.00").waitFor();
    assert.ok(refuse < 0);
  });

  it("is behind the login window of the browser where there is a token, and below a prefix", async () => {
    const { default: Fastify } = await import("fastify");
    const { clipBlipService } = await import("clip-blip/server");
    const host = Fastify();
    await host.register(clipBlipService, { prefix: "/vision", token: "secret", clip: fakeClip(), blip: false });
    const url = await host.listen({ port: 0 });
    open.push(host);
    const stranger = await request(`${url}/vision/`);
    assert.equal(stranger.status, 401);
    const page = await visit(`${url}/vision`, { httpCredentials: { username: "any", password: "secret" } });
    assert.equal(page.url(), `${url}/vision/`);
    await page.getByText(/^Ready/).waitFor();
    await page.setInputFiles("#files", [first]);
    await page.fill("#search", "anything");
    await page.getByText("match 1.00").waitFor();
  });
});

/** Contrast of texts with what is behind them, as WCAG 2.2 reckons it. Runs in the page. */
function contrasts(selectors: string[]): [string, number][] {
  const channels = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (color: string) => {
    const [red, green, blue] = channels(color)
      .slice(0, 3)
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  };
  const behind = (element: Element): string => {
    const { backgroundColor } = getComputedStyle(element);
    const transparent = channels(backgroundColor)[3] === 0;
    return transparent && element.parentElement ? behind(element.parentElement) : backgroundColor;
  };
  return selectors.map((selector) => {
    const element = document.querySelector(selector)!;
    const [one, other] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
    return [selector, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
  });
}
