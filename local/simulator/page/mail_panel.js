/** SendGrid's view: webhooks with their answers, calls of the API, and the configured faults. */
import { $, api, clock, complain, h, renew } from "./dom.js";
import { fillForm, place, startTabs, watchForm } from "./panel.js";

let calm = {};

/** Fills the panel from the simulator's initial state. */
export function showSendGrid(state) {
  calm = state.calm;
  const { answer, fate } = $("trouble").elements;
  answer.replaceChildren(...state.answers.map(({ value, label }) => h("option", { value }, label)));
  fate.replaceChildren(...state.fates.map((value) => h("option", { value }, value)));
  $("posts").replaceChildren();
  $("calls").replaceChildren();
  $("no-posts").hidden = $("no-calls").hidden = false;
  for (const post of state.posts) showPost(post);
  for (const call of state.calls) showCall(call);
  showSettings(state.settings);
  showCrowd(state.crowd);
}

/** Shows what the crowd has planted, by campaign: the campaign's page has to show the same. */
export function showCrowd({ on, campaigns }) {
  $("crowd").elements.on.checked = on;
  $("crowd-on").hidden = !on;
  $("no-crowd").hidden = campaigns.length > 0;
  renew(
    $("planted"),
    campaigns.map(({ subject, planted, waiting, failed }) =>
      h(
        "section",
        { class: "planted", "aria-label": subject },
        h("h3", {}, subject),
        h(
          "p",
          { class: "quiet" },
          waiting === 0 ? "Everybody has done their part." : `${waiting} readers are not done.`,
          failed > 0 && ` ${failed} could not: their figures will be missing.`,
        ),
        h(
          "table",
          {},
          h("caption", { class: "quiet" }, "What the campaign has to show"),
          h(
            "tbody",
            {},
            Object.entries(planted).map(([what, n]) =>
              h("tr", {}, h("th", { scope: "row" }, what), h("td", {}, n.toLocaleString()))
            ),
          ),
        ),
      )
    ),
  );
}

/** Adds or updates a webhook POST. */
export function showPost(post) {
  $("no-posts").hidden = true;
  const last = post.answers.at(-1);
  const tone = { accepted: "good", lost: "bad", waiting: last === undefined ? "wait" : "warn" }[post.state];
  const state = {
    accepted: "accepted",
    lost: "lost for good",
    waiting: last ? "will be retried" : "in progress",
  };
  const details = h(
    "details",
    { id: `post-${post.id}`, "data-state": post.state },
    h(
      "summary",
      {},
      h("span", { class: `badge ${tone}` }, String(last ?? "…")),
      h(
        "span",
        { class: "main" },
        post.what,
        post.answers.length > 1 && h("span", { class: "quiet" }, ` · ${post.answers.length} attempts`),
      ),
      h("time", { class: "quiet" }, clock(post.at, true)),
    ),
    h(
      "p",
      { class: "quiet" },
      `${post.kind === "inbound" ? "Inbound Parse" : "Event Webhook"}, POST ${post.id}, ${state[post.state]}`,
    ),
    h("ol", { class: "tries" }, post.answers.map((answer) => h("li", {}, String(answer)))),
  );
  place($("posts"), `post-${post.id}`, details);
  const waiting = $("posts").querySelectorAll("[data-state=waiting]").length;
  $("waiting").hidden = waiting === 0;
  $("waiting").textContent = `${waiting}`;
  $("waiting").setAttribute("aria-label", `${waiting} waiting`);
}

/** Adds a call of the API. */
export function showCall(call) {
  $("no-calls").hidden = true;
  const tone = call.status >= 200 && call.status < 300 ? "good" : "bad";
  const row = h(
    "div",
    { id: `call-${call.id}`, class: "row" },
    h("span", { class: `badge ${tone}` }, String(call.status)),
    h("span", { class: "main" }, call.what),
    h("time", { class: "quiet" }, clock(call.at, true)),
  );
  place($("calls"), `call-${call.id}`, row);
}

/** Fills the form with the settings. */
export function showSettings(settings) {
  fillForm($("trouble"), settings);
  $("trouble-on").hidden = Object.entries(settings).every(([name, value]) => value === calm[name]);
}

/** Connects the panel's controls. */
export function startSendGrid() {
  startTabs();
  $("retry").addEventListener("click", () => api("mail/retry").catch(complain));
  watchForm($("trouble"), ({ answer, ...change }) => {
    const code = Number(answer);
    configure(answer === undefined ? change : { answer: code > 0 ? code : answer }, "Saved.");
  });
  const { n } = $("crowd").elements;
  const link = () => $("recipients").href = `api/mail/recipients.csv?n=${n.value}`;
  link();
  n.addEventListener("input", link);
  $("crowd").addEventListener("submit", (event) => event.preventDefault());
  $("crowd").elements.on.addEventListener(
    "change",
    ({ target }) =>
      api("mail/crowd", { on: target.checked }).catch((error) => {
        target.checked = !target.checked;
        complain(error);
      }),
  );
  $("calm").addEventListener("click", () => configure(calm, "Faults are off."));
}

async function configure(change, said) {
  // An empty number means always.
  if (change.times === 0) change.times = null;
  try {
    showSettings(await api("mail/settings", change));
    $("trouble-result").textContent = said;
  } catch (error) {
    $("trouble-result").textContent = error.message;
  }
}
