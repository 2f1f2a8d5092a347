/** The business's accounts as Meta sees them: standing, numbers and templates, and what Meta may do to each. */
import { $, api, h, renew } from "./dom.js";

const DOES = {
  active: [["ban", "Ban"], ["restrict", "Restrict"]],
  restricted: [["reinstate", "Reinstate"], ["ban", "Ban"]],
  banned: [["reinstate", "Reinstate"]],
};
/** What the business does in its app when it connects its number. */
const APP_DOES = [
  ["import_chats", "Import chats"],
  ["decline_chats", "Decline to share chats"],
  ["sync_contacts", "Sync contacts"],
];
const TEMPLATE_DOES = {
  APPROVED: [["pause", "Pause"], ["disable", "Disable"]],
  PENDING: [["approve", "Approve"], ["reject", "Reject"]],
  REJECTED: [["approve", "Approve"]],
  PAUSED: [["approve", "Resume"], ["disable", "Disable"]],
  DISABLED: [],
};
const TONES = { APPROVED: "good", PENDING: "wait", REJECTED: "bad", PAUSED: "warn", DISABLED: "bad" };
const CATEGORIES = ["UTILITY", "MARKETING", "AUTHENTICATION"];
const QUALITIES = ["GREEN", "YELLOW", "RED"];
const LIMITS = ["TIER_250", "TIER_1K", "TIER_10K", "TIER_100K"];

let accounts = [];
let said = "";

/** Shows all accounts. */
export function showAccounts(all) {
  accounts = all;
  draw();
}

/** Shows what has changed of one account. */
export function showAccount(standing) {
  accounts = accounts.map((account) =>
    account.wabaId === standing.wabaId ? { ...account, ...standing } : account
  );
  draw();
}

async function act(account, change, words) {
  try {
    said = words;
    showAccounts(await api("account", { account: account.wabaId, ...change }));
  } catch (error) {
    said = error.message;
    draw();
  }
}

function draw() {
  renew($("accounts"), accounts.map(accountOf));
  $("account-result").textContent = said;
}

function accountOf(account) {
  const expired = account.token === "expired";
  return h(
    "fieldset",
    { "data-key": account.wabaId },
    h("legend", {}, `${account.name}, +${account.displayNumber}`),
    h(
      "div",
      { class: "tools" },
      h("span", { class: `badge ${account.state === "active" ? "good" : "bad"}` }, account.state),
      ...DOES[account.state].map(([what, label]) =>
        button(account, what, { do: what }, label, `${label}: ${account.name}`)
      ),
      expired
        ? button(
          account,
          "renew",
          { do: "renew_token" },
          "Renew the token",
          `Renew the token: ${account.name}`,
        )
        : button(
          account,
          "expire",
          { do: "expire_token" },
          "Let the token expire",
          `Let the token expire: ${account.name}`,
        ),
    ),
    h(
      "div",
      { class: "tools", role: "group", "aria-label": `The business app of ${account.name}` },
      h("span", {}, "Business app"),
      ...APP_DOES.map(([what, label]) =>
        button(account, what, { do: what }, label, `${label}: ${account.name}`)
      ),
    ),
    choice(account, "quality", "Quality", QUALITIES, account.quality),
    choice(account, "limit", "Messaging limit", LIMITS, account.limit),
    h("ul", { class: "rows" }, account.templates.map((template) => templateOf(account, template))),
  );
}

function templateOf(account, template) {
  const name = `${template.name} (${template.language})`;
  return h(
    "li",
    { class: "row", "data-key": template.id },
    h("span", { class: `badge ${TONES[template.status]}` }, template.status.toLowerCase()),
    h("span", { class: "main" }, name),
    h(
      "span",
      { class: "tools" },
      h(
        "select",
        {
          "aria-label": `Category of ${name}`,
          "data-key": "category",
          onchange: ({ target }) =>
            act(
              account,
              { do: "category", template: template.id, category: target.value },
              `${name} has another category.`,
            ),
        },
        CATEGORIES.map((category) =>
          h(
            "option",
            { value: category, selected: category === template.category && "selected" },
            category.toLowerCase(),
          )
        ),
      ),
      ...TEMPLATE_DOES[template.status].map(([what, label]) =>
        button(
          account,
          what,
          { do: what, template: template.id },
          label,
          `${label} ${name}`,
        )
      ),
    ),
  );
}

function choice(account, what, label, values, value) {
  return h(
    "label",
    {},
    h("span", {}, label),
    h(
      "select",
      {
        "data-key": what,
        onchange: ({ target }) =>
          act(account, { do: what, [what]: target.value }, `${label}: ${target.value}`),
      },
      values.map((one) => h("option", { value: one, selected: one === value && "selected" }, one)),
    ),
  );
}

function button(account, key, change, label, words) {
  return h("button", {
    type: "button",
    class: "small",
    "data-key": key,
    "aria-label": words,
    onclick: () => act(account, change, `Done: ${words}.`),
  }, label);
}
