/** The page's dialogs: a person, a link to open, a row of a list. */
import { outside } from "./content.js";
import { $, api, h } from "./dom.js";

/** Asks for a new or changed person. Resolves with the contact, or undefined if cancelled. */
export function askPerson(contact) {
  const dialog = $("person");
  const form = $("person-form");
  form.reset();
  $("person-error").textContent = "";
  $("person-title").textContent = contact ? `Edit ${contact.name}` : "New person";
  $("phone-hint").textContent = contact?.phone
    ? "With country code. A system message tells the business about a new number."
    : "With country code. Leave it empty for a person who hides it from businesses.";
  $("bsuid-hint").textContent = contact?.bsuid
    ? "A system message and a user_id_update tell the business about a new one."
    : "Generated if needed.";
  for (const name of ["name", "phone", "username", "bsuid"]) {
    form.elements[name].value = contact?.[name] ?? "";
  }
  return new Promise((resolve) => {
    let saved;
    form.onsubmit = async (event) => {
      event.preventDefault();
      const given = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
      // An untouched user id is left to the simulator, which makes a new one with a new phone number.
      if (given.bsuid === (contact?.bsuid ?? "")) delete given.bsuid;
      try {
        saved = await api("contacts", { ...given, ...(contact && { id: contact.id }) });
        dialog.close();
      } catch (error) {
        $("person-error").textContent = error.message;
      }
    };
    $("person-cancel").onclick = () => dialog.close();
    dialog.onclose = () => resolve(saved);
    dialog.showModal();
  });
}

/**
 * Asks for a link and opens it. Resolves with the text of the chat that it opens, or undefined if it opens
 * none.
 */
export async function askLink() {
  const dialog = $("scan");
  const form = $("scan-form");
  form.reset();
  $("scan-error").textContent = "";
  $("scan-result").replaceChildren();
  // Without them the code can be typed.
  const links = await fetch("api/links").then((response) => response.ok ? response.json() : []).catch(
    () => [],
  );
  $("scan-links").replaceChildren(...links.map((value) => h("option", { value })));
  return new Promise((resolve) => {
    let text;
    form.onsubmit = async (event) => {
      event.preventDefault();
      $("scan-error").textContent = "";
      $("scan-result").replaceChildren();
      try {
        const scanned = await api("scan", { link: form.elements.link.value });
        if (scanned.opens === "chat") {
          text = scanned.text;
          dialog.close();
        } else {
          const where = scanned.opens === "page" ? "Shows a page: " : "Redirects to ";
          $("scan-result").replaceChildren(where, outside(scanned.location, scanned.location));
        }
      } catch (error) {
        $("scan-error").textContent = error.message;
      }
    };
    $("scan-cancel").onclick = () => dialog.close();
    dialog.onclose = () => resolve(text);
    dialog.showModal();
  });
}

/**
 * Asks for a row of an interactive list. Resolves with the `list_reply` message, or undefined if cancelled.
 */
export function askChoice({ action, header }) {
  const dialog = $("choices");
  const form = $("choices-form");
  $("choices-title").textContent = header?.text ?? action.button;
  const rows = action.sections.flatMap(({ rows }) => rows);
  $("choices-rows").replaceChildren(...action.sections.map(({ title, rows: own }) =>
    h(
      "fieldset",
      {},
      h("legend", { class: title ? null : "hidden" }, title ?? action.button),
      own.map((row) =>
        h(
          "label",
          { class: "choice" },
          h("input", { type: "radio", name: "row", value: rows.indexOf(row), required: true }),
          h(
            "span",
            {},
            h("strong", {}, row.title),
            row.description && h("span", { class: "quiet block" }, row.description),
          ),
        )
      ),
    )
  ));
  return new Promise((resolve) => {
    let reply;
    form.onsubmit = (event) => {
      event.preventDefault();
      const { id, title, description } = rows[Number(new FormData(form).get("row"))];
      const list_reply = { id, title, ...(description && { description }) };
      reply = { type: "interactive", interactive: { type: "list_reply", list_reply } };
      dialog.close();
    };
    $("choices-cancel").onclick = () => dialog.close();
    dialog.onclose = () => resolve(reply);
    dialog.showModal();
  });
}
