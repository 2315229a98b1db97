/** The element with an id. */
export function byId<E extends HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** A copy of the content of a template. */
export function fromTemplate(id: string): HTMLElement {
  return byId<HTMLTemplateElement>(id).content.firstElementChild!.cloneNode(true) as HTMLElement;
}

/** The first element with a class within another element. */
export function within<E extends HTMLElement>(parent: HTMLElement, className: string): E {
  return parent.querySelector(`.${className}`) as E;
}

/** A function that runs `work` once it has not been called for some milliseconds. */
export function debounced(milliseconds: number, work: () => void): () => void {
  let timer: number | undefined;
  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(work, milliseconds);
  };
}
