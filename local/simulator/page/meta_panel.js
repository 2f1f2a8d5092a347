/** Meta's view: webhooks with their responses, calls of the Graph API, and the configured faults. */
import { $, api, clock, complain, h } from "./dom.js";
import { fillForm, place, startTabs, watchForm } from "./panel.js";

const STORM = { batch: 50, duplicateRate: 0.3, shuffleRate: 0.5, delayMs: 500 };
let calm = {};

/** Fills the panel from the simulator's initial state. */
export function showMeta(state) {
  calm = state.calm;
  const select = $("trouble").elements.fault;
  select.replaceChildren(
    h("option", { value: "" }, "none"),
    ...state.faults.map(({ code, label }) => h("option", { value: code }, label)),
  );
  $("posts").replaceChildren();
  $("calls").replaceChildren();
  for (const post of state.posts) showPost(post);
  for (const call of state.calls) showCall(call);
  showSettings(state.settings);
}

/** Adds or updates a webhook POST; open details stay open. */
export function showPost(post) {
  $("no-posts").hidden = true;
  const id = `post-${post.id}`;
  const last = post.attempts.at(-1);
  const [tone, label] = post.state === "acknowledged"
    ? ["good", "200"]
    : last
    ? [post.state === "given up" ? "bad" : "warn", last.status ?? "none"]
    : ["wait", "…"];
  const state =
    { acknowledged: "acknowledged", waiting: last ? "will be retried" : "in progress" }[post.state] ??
      "given up";
  const details = h(
    "details",
    { id, "data-state": post.state },
    h(
      "summary",
      {},
      h("span", { class: `badge ${tone}` }, String(label)),
      h(
        "span",
        { class: "main" },
        post.summary,
        post.tries > 1 && h("span", { class: "quiet" }, ` · ${post.tries} attempts`),
      ),
      h("time", { class: "quiet" }, clock(post.at, true)),
    ),
    h("p", { class: "quiet" }, `POST ${post.id}, ${state}`),
    h(
      "ol",
      { class: "tries" },
      post.attempts.map((one) =>
        h("li", {}, `${clock(one.at, true)}  ${one.status ?? one.error} after ${Math.round(one.ms)} ms`)
      ),
    ),
    h("pre", { tabindex: "0", "aria-label": "Body" }, pretty(post.body)),
  );
  place($("posts"), id, details);
  const waiting = $("posts").querySelectorAll("[data-state=waiting]").length;
  $("waiting").hidden = waiting === 0;
  $("waiting").textContent = `${waiting}`;
  $("waiting").setAttribute("aria-label", `${waiting} waiting`);
}

/** Adds a call of the Graph API. */
export function showCall(call) {
  $("no-calls").hidden = true;
  const tone = call.status >= 200 && call.status < 300 ? "good" : "bad";
  const row = h(
    "div",
    { id: `call-${call.id}`, class: "row" },
    h("span", { class: `badge ${tone}` }, call.status === 0 ? "none" : String(call.status)),
    h("span", { class: "main" }, call.what, call.detail && h("span", { class: "quiet block" }, call.detail)),
    h("time", { class: "quiet" }, clock(call.at, true)),
  );
  place($("calls"), `call-${call.id}`, row);
}

/** Fills the form with the settings. */
export function showSettings(settings) {
  fillForm($("trouble"), settings);
  const { batch, duplicateRate, shuffleRate, delayMs, enforceLimits, fault, faultNext, faultRate } = settings;
  const on = batch > 1 || duplicateRate > 0 || shuffleRate > 0 || delayMs > 0 || enforceLimits ||
    (fault && (faultNext > 0 || faultRate > 0));
  $("trouble-on").hidden = !on;
}

/** Connects the panel's controls. */
export function startMeta() {
  startTabs();

  $("handshake").addEventListener("click", async () => {
    const result = $("handshake-result");
    result.textContent = "Testing…";
    const { ok, status, detail } = await api("handshake").catch((error) => ({
      ok: false,
      detail: error.message,
    }));
    result.textContent = `${ok ? "Handshake succeeded." : "Handshake failed."} ${detail}${
      status ? ` (${status}).` : "."
    }`;
  });
  $("retry").addEventListener("click", () => api("retry").catch(complain));

  watchForm($("trouble"), (change) => configure(change, "Saved."));
  $("calm").addEventListener("click", () => configure(calm, "Faults are off."));
  $("storm").addEventListener(
    "click",
    () => configure(STORM, "Batches, duplicates, reordering and delays are on."),
  );
}

async function configure(change, said) {
  try {
    showSettings(await api("settings", change));
    $("trouble-result").textContent = said;
  } catch (error) {
    $("trouble-result").textContent = error.message;
  }
}

function pretty(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
