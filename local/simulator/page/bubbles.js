/** The conversation: bubbles with ticks and reactions. */
import { contentOf, snippetOf } from "./content.js";
import { clock, h, icon } from "./dom.js";

const TICK = "m4 12.500 4.500 4.500L18 7";
const TICKS = "m2 12.500 4.500 4.500L15 7m-4 8.500 1.500 1.500L22 7";
const FAILED = "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Zm0 4.500v6m0 3v.010";
const SMILE =
  "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM8.500 14.500a4.500 4.500 0 0 0 7 0M9 9.500v.010M15 9.500v.010";

/** One conversation at a time in `#log`. */
export class Conversation {
  #log;
  #list;
  #empty;
  #act;
  #bubbles = new Map();
  #day = "";

  /** Whether the newest message is in sight. */
  #atEnd = true;

  /** @param act `{ media(id), tap(reply, to), choose(message), menu(message, button) }` */
  constructor({ log, list, empty }, act) {
    this.#log = log;
    this.#list = list;
    this.#empty = empty;
    this.#act = act;
    // A picture has its height only when it has loaded, and would push the newest message out of sight.
    list.addEventListener("load", () => this.#atEnd && this.#toEnd(), true);
    log.addEventListener("scroll", () => this.#atEnd = this.#isAtEnd());
  }

  #isAtEnd() {
    return this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 120;
  }

  #toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#atEnd = true;
  }

  /** Replaces the shown messages with these, oldest first. */
  show(messages) {
    this.#list.replaceChildren();
    this.#bubbles.clear();
    this.#day = "";
    this.#empty.hidden = messages.length > 0;
    for (const message of messages) this.put(message);
    this.#toEnd();
  }

  /** Adds a message, or updates its ticks. */
  put(message) {
    const known = this.#bubbles.get(message.wamid);
    if (known) return setTicks(known.ticks, message);
    this.#empty.hidden = true;
    const atEnd = this.#isAtEnd();
    if (message.message.type === "reaction") this.#react(message);
    else if (message.message.type === "system") this.#note(message);
    else this.#bubble(message);
    if (atEnd || message.from === "user") this.#toEnd();
  }

  /** Shows or hides "typing…". */
  typing(on) {
    this.#list.querySelector(".typing")?.remove();
    if (!on) return;
    const dots = h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
    this.#list.append(
      h(
        "li",
        { class: "business typing" },
        h("div", { class: "bubble" }, h("span", { class: "hidden" }, "typing…"), dots),
      ),
    );
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  #bubble(message) {
    this.#dayLine(message.at);
    const { message: native, from } = message;
    const ticks = h("span", { class: "ticks", role: "img" });
    const menu = h(
      "button",
      { type: "button", class: "icon more", "aria-label": `React or reply to: ${snippetOf(native)}` },
      icon(SMILE, 20),
    );
    menu.addEventListener("click", () => this.#act.menu(message, menu));
    const context = {
      media: this.#act.media,
      active: from === "business",
      tap: (reply) => this.#act.tap(reply, message),
      choose: () => this.#act.choose(message),
    };
    const quoted = this.#bubbles.get(native.context?.id ?? native.context?.message_id);
    const bubble = h(
      "div",
      { class: `bubble ${native.type ?? "text"}` },
      h("span", { class: "hidden" }, from === "user" ? "This person: " : "Business: "),
      message.author && h("p", { class: "quoted" }, this.#act.author(message) ?? "Somebody"),
      native.referral &&
        h("p", { class: "quoted" }, `From an ad: ${native.referral.headline ?? native.referral.source_url}`),
      quoted && h("p", { class: "quoted" }, snippetOf(quoted.message.message)),
      contentOf(native, context),
      h(
        "p",
        { class: "when" },
        h("time", { datetime: new Date(message.at).toISOString() }, clock(message.at)),
        ticks,
      ),
    );
    const reactions = h("p", { class: "chips" });
    const item = h("li", { class: from }, h("div", { class: "line" }, bubble, menu), reactions);
    setTicks(ticks, message);
    this.#bubbles.set(message.wamid, { message, ticks, reactions, chosen: {} });
    this.#append(item);
  }

  /** Shows a reaction on its message's bubble; each side has at most one. */
  #react(message) {
    const { message_id, emoji } = message.message.reaction;
    const target = this.#bubbles.get(message_id);
    if (!target) return;
    target.chosen[message.from] = emoji;
    const shown = Object.entries(target.chosen).filter(([, one]) => one);
    target.reactions.replaceChildren(...shown.map(([from, one]) => {
      const who = from === "user" ? "This person" : "The business";
      return h("span", { class: "chip", role: "img", "aria-label": `${who} reacted ${one}` }, one);
    }));
  }

  #note(message) {
    this.#dayLine(message.at);
    const ticks = h("span", { class: "ticks", role: "img" });
    this.#append(h("li", { class: "note" }, h("p", {}, snippetOf(message.message), " ", ticks)));
    setTicks(ticks, message);
    this.#bubbles.set(message.wamid, { message, ticks, reactions: h("p"), chosen: {} });
  }

  #dayLine(at) {
    const day = new Date(at).toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" });
    if (day === this.#day) return;
    this.#day = day;
    this.#append(h("li", { class: "note" }, h("p", {}, day)));
  }

  #append(item) {
    const typing = this.#list.querySelector(".typing");
    if (typing) typing.before(item);
    else this.#list.append(item);
  }
}

/**
 * One grey: sent. Two grey: delivered. Two blue: read. The label is an attribute, so screen readers do not
 * announce a change.
 */
function setTicks(element, { progress, error, from }) {
  const whose = from === "user" ? "webhook" : "phone";
  const labels = {
    sent: from === "user" ? "Sent to Meta" : "Sent",
    delivered: `Delivered to the ${whose}`,
    read: "Read",
    failed: error ? `Failed: ${error.code} ${error.title}` : "Failed",
  };
  element.className = `ticks ${progress}`;
  element.setAttribute("aria-label", labels[progress]);
  element.title = labels[progress];
  element.replaceChildren(icon(progress === "failed" ? FAILED : progress === "sent" ? TICK : TICKS, 17));
}
