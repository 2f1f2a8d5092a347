/** The tab of PagerDuty: its incidents, who is on call there, and how it fails. */
import { $, api, complain, h, renew } from "./dom.js";
import { fillForm, watchForm } from "./panel.js";

const ACTS = {
  triggered: [["acknowledge", "Acknowledge"], ["resolve", "Resolve"]],
  acknowledged: [["unacknowledge", "Unacknowledge"], ["resolve", "Resolve"]],
  resolved: [["reopen", "Reopen"]],
};
const TONES = { triggered: "bad", acknowledged: "wait", resolved: "good" };

/** Who acts: a function that returns the id of the chosen person. */
let actor;

/** Connects the tab. */
export function startOnCall(from) {
  actor = from;
  watchForm($("oncall"), async (change) => {
    try {
      await api("telegram/oncall/settings", change);
      $("oncall-result").textContent = "Changed.";
    } catch (error) {
      $("oncall-result").textContent = error.message;
    }
  });
  $("schedule").addEventListener("submit", async (event) => {
    event.preventDefault();
    const { id, name, email } = $("schedule").elements;
    const people = [{ name: name.value, email: email.value }];
    try {
      await api("telegram/oncall/schedule", { id: id.value, people });
      $("schedule-result").textContent = `${name.value.trim()} is on call.`;
    } catch (error) {
      $("schedule-result").textContent = error.message;
    }
  });
}

/** Shows what it has now. */
export function showOnCall({ fault, incidents, schedules }) {
  fillForm($("oncall"), { fault });
  $("oncall-on").hidden = fault === "none";
  $("no-incidents").hidden = incidents.length > 0;
  renew($("incidents"), incidents.map(incident));
  renew($("schedules"), Object.entries(schedules).map(schedule));
}

function incident({ key, summary, state }) {
  return h(
    "li",
    { class: "incident", "data-key": key },
    h("span", { class: `badge ${TONES[state]}` }, state),
    h("span", { class: "main" }, summary),
    h(
      "div",
      { role: "group", "aria-label": summary },
      ACTS[state].map(([act, label]) =>
        h("button", {
          type: "button",
          class: "small",
          onclick: () => api("telegram/oncall/act", { key, do: act, from: actor() }).catch(complain),
        }, label)
      ),
    ),
  );
}

function schedule([id, people]) {
  const names = people.map(({ name, email }) => `${name} (${email})`).join(", ");
  return h(
    "li",
    { "data-key": id },
    h("span", {}, `${id}: ${names || "nobody"}`),
    people.length > 0 && h("button", {
      type: "button",
      class: "small",
      "aria-label": `Nobody is on call in ${id}`,
      onclick: () => api("telegram/oncall/schedule", { id, people: [] }).catch(complain),
    }, "Nobody"),
  );
}
