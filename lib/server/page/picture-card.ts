import { fromTemplate, within } from "./dom.js";

/** What the page shows of one picture. */
export class PictureCard {
  readonly element = fromTemplate("picture");
  readonly #url: string;

  /** `onRemove` is called when its button is pressed. */
  constructor(file: Blob, name: string, onRemove: () => void) {
    this.#url = URL.createObjectURL(file);
    const image = within<HTMLImageElement>(this.element, "preview");
    // The caption beside the picture describes it, so it needs no alternative text.
    image.addEventListener("error", () => {
      image.hidden = true;
      within(this.element, "no-preview").hidden = false;
    });
    image.src = this.#url;
    const title = within(this.element, "name");
    title.textContent = name;
    title.title = name;
    const remove = within<HTMLButtonElement>(this.element, "remove");
    remove.setAttribute("aria-label", `Remove ${name}`);
    remove.addEventListener("click", onRemove);
  }

  showCaption(text: string): void {
    this.#write(text, "done");
  }

  /** For a service without a model for captions. */
  hideCaption(): void {
    within(this.element, "caption").hidden = true;
  }

  showFailure(text: string): void {
    within(this.element, "caption").hidden = false;
    this.#write(text, "failed");
  }

  /** Shows scores of labels, best first; undefined: removes them. */
  showLabels(scores: { label: string; score: number }[] | undefined): void {
    const list = within<HTMLOListElement>(this.element, "labels");
    within(this.element, "labels-error").hidden = true;
    list.hidden = scores === undefined;
    list.replaceChildren(...(scores ?? []).map(labelRow));
  }

  showLabelsFailure(text: string): void {
    this.showLabels(undefined);
    const paragraph = within(this.element, "labels-error");
    paragraph.textContent = text;
    paragraph.hidden = false;
  }

  /** Shows how well the picture matches the search, from -1 to 1; undefined: there is no search. */
  showMatch(cosine: number | undefined): void {
    const badge = within(this.element, "match");
    badge.hidden = cosine === undefined;
    badge.textContent = cosine === undefined ? "" : `match ${cosine.toFixed(2)}`;
  }

  remove(): void {
    this.element.remove();
    URL.revokeObjectURL(this.#url);
  }

  #write(text: string, state: string): void {
    const caption = within(this.element, "caption");
    caption.textContent = text;
    caption.dataset.state = state;
  }
}

function labelRow({ label, score }: { label: string; score: number }): HTMLElement {
  const row = fromTemplate("label");
  within(row, "label").textContent = label;
  within(row, "percent").textContent = `${(100 * score).toFixed(score < 0.0995 ? 1 : 0)} %`;
  within(row, "bar").style.width = `${100 * score}%`;
  return row;
}
