/** The title of the window: the page, the product, and the environment where that is not production. */

let page: string | undefined;
let environment: string | undefined;

function write(): void {
  if (page === undefined) return;
  document.title = `${page} · Gatelink${environment === undefined ? "" : ` (${environment})`}`;
}

/** Names the page. */
export function namePage(title: string): void {
  page = title;
  write();
}

/** Names the environment; undefined while it is not known. */
export function nameEnvironment(name: string | undefined): void {
  environment = name === "production" ? undefined : name;
  write();
}
