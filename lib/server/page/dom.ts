/** The element of the page with an id. */
export function byId<E extends HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** A copy of what is in a template. */
export function fromTemplate(id: string): HTMLElement {
  return byId<HTMLTemplateElement>(id).content.firstElementChild!.cloneNode(true) as HTMLElement;
}

/** The element within another that has a class. */
export function within<E extends HTMLElement>(parent: HTMLElement, className: string): E {
  return parent.querySelector(`.${className}`) as E;
}

/** Calls `work` once nothing has called for it for a while. */
export function debounced(milliseconds: number, work: () => void): () => void {
  let timer: number | undefined;
  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(work, milliseconds);
  };
}
