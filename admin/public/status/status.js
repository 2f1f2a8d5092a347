// The public status page: reads functions/v1/health/status, again every 30 seconds while it is looked at.

const EVERY_MS = 30_000;

const OVERALL = {
  healthy: "All systems work.",
  degraded: "Some things are slower than usual or do not work.",
  down: "There is an outage.",
};
const STATES = { healthy: "Working", degraded: "Degraded", down: "Not working" };
const STATUSES = {
  investigating: "Investigating",
  identified: "Identified",
  monitoring: "Monitoring",
  resolved: "Resolved",
};
const COMPONENTS = {
  database: "Database",
  queue: "Message processing",
  clock: "Scheduled work",
  graph: "WhatsApp connection",
  senders: "Sending",
  functions: "API",
  storage: "Storage",
  guard: "Feature launches",
};

/** @param {string} id */
const find = (id) => document.getElementById(id);

/** An element with a text or children; attributes are set as they are named. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function time(iso) {
  const date = new Date(iso);
  return make("time", { datetime: date.toISOString() }, format.format(date));
}

function incident({ number, title, severity, status, opened_at, updates }) {
  const state = status === "resolved" ? "healthy" : severity === "P0" ? "down" : "degraded";
  return make(
    "article",
    { "data-state": state, "aria-labelledby": `incident-${number}` },
    make("h3", { id: `incident-${number}` }, title),
    make("p", { class: "when" }, "Since ", time(opened_at)),
    make(
      "ol",
      {},
      ...updates.map((update) =>
        make(
          "li",
          {},
          make("p", {}, make("strong", {}, `${STATUSES[update.status] ?? update.status}: `), update.text),
          make("p", { class: "when" }, time(update.at)),
        )
      ),
    ),
  );
}

function show(section, items, container) {
  find(section).hidden = items.length === 0;
  find(section).querySelector(container).replaceChildren(...items);
}

function banner(state, text) {
  const element = find("banner");
  if (element.textContent !== text) element.textContent = text;
  element.dataset.state = state;
}

function render({ status, at, components, incidents }) {
  banner(status, OVERALL[status] ?? status);
  show("open", incidents.filter((one) => one.status !== "resolved").map(incident), ".incidents");
  show("past", incidents.filter((one) => one.status === "resolved").map(incident), ".incidents");
  show(
    "components",
    components.map(({ component, status }) =>
      make(
        "li",
        { "data-state": status },
        COMPONENTS[component] ?? component,
        make("span", { class: "state" }, STATES[status] ?? status),
      )
    ),
    "ul",
  );
  find("age").replaceChildren(...at === null ? [] : ["As of ", time(at)]);
}

/** Failure policy: open. What was shown stays, and the banner says that it may be old. */
async function read() {
  try {
    const { url } = await (await fetch("../config.json", { cache: "no-cache" })).json();
    const response = await fetch(`${url}/functions/v1/health/status`);
    if (!response.ok) throw new Error(`status ${response.status}`);
    render(await response.json());
  } catch {
    banner("unknown", "The current status cannot be loaded. This page tries again by itself.");
  }
}

await read();
setInterval(() => {
  if (document.visibilityState === "visible") read();
}, EVERY_MS);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") read();
});
