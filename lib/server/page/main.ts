import { ask, type CapabilitiesAnswer, type EmbeddingsAnswer, json } from "./api.js";
import { byId, debounced } from "./dom.js";
import { embedsImages, Picture } from "./picture.js";
import { type ServiceState, ServiceWatch } from "./service-state.js";
import { WorkerPool } from "./worker-pool.js";

const list = byId<HTMLUListElement>("pictures");
const files = byId<HTMLInputElement>("files");
const search = byId<HTMLInputElement>("search");
const labels = byId<HTMLInputElement>("labels");
const notice = byId("notice");

const watch = new ServiceWatch(showState);
const pool = new WorkerPool(() => watch.whenReady());
/** In the order in which they were added. */
let pictures: Picture[] = [];
let query: { text: string; embedding: number[] } | undefined;
let searching: AbortController | undefined;

function showState(state: ServiceState): void {
  const line = byId("state");
  line.dataset.state = state.kind;
  if (line.textContent !== state.text) line.textContent = state.text;
  if (state.kind === "ready") showTools(state.capabilities);
}

/** Shows the tools that the models support. */
function showTools({ clip }: CapabilitiesAnswer): void {
  const both = clip !== undefined && embedsImages(clip) && (clip.embeds?.includes("text") ?? true);
  byId("search-field").hidden = !both;
  byId("labels-field").hidden = !both;
}

function add(added: Iterable<File>): void {
  const some = [...added].map((file) => new Picture(file, pool, remove));
  if (some.length === 0) return;
  pictures.push(...some);
  list.append(...some.map(({ card }) => card.element));
  showCount();
  void describe(some);
}

async function describe(some: Picture[]): Promise<void> {
  const capabilities = await watch.whenReady();
  const wanted = wantedLabels();
  await Promise.all(
    some.map(async (picture) => {
      const described = picture.describe(capabilities);
      if (wanted.length > 1) void picture.label(wanted);
      await described;
      if (query) sort();
    }),
  );
  const failed = some.filter((picture) => picture.failed).length;
  announce(`Pictures described: ${some.length - failed}${failed ? `; could not be read: ${failed}` : ""}.`);
}

function remove(picture: Picture): void {
  const next = picture.card.element.nextElementSibling ?? picture.card.element.previousElementSibling;
  picture.remove();
  pictures = pictures.filter((other) => other !== picture);
  announce(`${picture.name} removed.`);
  showCount();
  // Keeps the position of keyboard users.
  if (next) (next as HTMLElement).focus();
  else files.focus();
}

function showCount(): void {
  document.body.classList.toggle("has-pictures", pictures.length > 0);
  byId("tools").hidden = pictures.length === 0;
}

/** Sorts by match, best first; without a search, by the order in which the pictures were added. */
function sort(): void {
  const ranked = pictures.map((picture, index) => ({ picture, index, cosine: picture.match(query?.embedding) }));
  if (query) ranked.sort((a, b) => (b.cosine ?? -2) - (a.cosine ?? -2) || a.index - b.index);
  const elements = ranked.map(({ picture }) => picture.card.element);
  // Moving an element that is already in place would take its focus.
  if (elements.some((element, index) => list.children[index] !== element)) list.replaceChildren(...elements);
}

async function runSearch(): Promise<void> {
  const text = search.value.trim();
  searching?.abort();
  if (text === (query?.text ?? "")) return;
  if (text === "") {
    query = undefined;
    return sort();
  }
  searching = new AbortController();
  const { signal } = searching;
  try {
    const { embeddings } = await pool.run(
      () => ask<EmbeddingsAnswer>("api/v1/embeddings/texts", { ...json({ texts: [text] }), signal }),
      signal,
    );
    query = { text, embedding: embeddings[0]! };
    sort();
    notice.hidden = true;
    announce(`Pictures sorted by how well they match "${text}".`);
  } catch (error) {
    if (signal.aborted) return;
    notice.textContent = error instanceof Error ? error.message : String(error);
    notice.hidden = false;
  }
}

function wantedLabels(): string[] {
  return [...new Set(labels.value.split(",").map((label) => label.trim()))].filter(Boolean);
}

function announce(text: string): void {
  byId("announcer").textContent = text;
}

files.addEventListener("change", () => {
  add(files.files ?? []);
  // Allows the same file to be chosen again.
  files.value = "";
});

search.addEventListener(
  "input",
  debounced(350, () => void runSearch()),
);
labels.addEventListener(
  "input",
  debounced(500, () => {
    const wanted = wantedLabels();
    for (const picture of pictures) void picture.label(wanted);
  }),
);
byId("tools").addEventListener("submit", (event) => {
  event.preventDefault();
  void runSearch();
});
byId("clear").addEventListener("click", () => {
  for (const picture of pictures) picture.remove();
  pictures = [];
  announce("All pictures removed.");
  showCount();
  files.focus();
});

// Drops count anywhere on the page: otherwise a near miss would open the picture instead of the page.
let depth = 0;
const dropping = (by: number) => {
  depth = by === 0 ? 0 : depth + by;
  document.body.classList.toggle("dropping", depth > 0);
};
document.addEventListener("dragenter", () => dropping(1));
document.addEventListener("dragleave", () => dropping(-1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  dropping(0);
  add(event.dataTransfer?.files ?? []);
});
document.addEventListener("paste", (event) => {
  const pasted = [...(event.clipboardData?.files ?? [])];
  if (pasted.length === 0) return;
  event.preventDefault();
  add(pasted);
});

void watch.whenReady();
