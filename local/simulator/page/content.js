/**
 * The content of a message as nodes: one function per type, for messages from people and from the business.
 */
import { h, icon } from "./dom.js";

/** Icons by meaning. */
export const ICONS = {
  document: "M6 2h9l5 5v15H6V2Zm9 0v5h5M9 13h8M9 17h8",
  audio: "M12 3a3 3 0 0 1 3 3v6a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3ZM5 11a7 7 0 0 0 14 0M12 18v4",
  video: "M3 6h12v12H3V6Zm12 4 6-3v10l-6-3",
  image: "M3 4h18v16H3V4Zm0 12 5-5 5 5 3-3 5 5M15.500 8.500h.010",
  location:
    "M12 22s7-7.500 7-13a7 7 0 0 0-14 0c0 5.500 7 13 7 13Zm0-10.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5Z",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-8 9a8 8 0 0 1 16 0",
  template: "M4 4h16v5H4V4Zm0 9h7v7H4v-7Zm11 0h5v7h-5v-7Z",
  link: "M10 14 20 4m-6 0h6v6M18 14v6H4V6h6",
  sticker: "M4 4h16v9l-7 7H4V4Zm16 9h-7v7M9 9.500v.010M15 9.500v.010",
  ad: "M4 10v4h3l9 5V5l-9 5H4Zm15-1a4 4 0 0 1 0 6",
  reply: "M9 7 4 12l5 5M4 12h10a6 6 0 0 1 6 6v1",
  list: "M4 7h16M4 12h16M4 17h16",
};

/**
 * Text with WhatsApp's formatting (*bold*, _italic_, ~struck~, `code`, ```code```), and its URLs as links.
 */
export function formatted(text) {
  const pattern =
    /```([^`]+)```|`([^`\n]+)`|\*([^*\n]+)\*|(?<!\w)_([^_\n]+)_(?!\w)|~([^~\n]+)~|(https?:\/\/[^\s<>"]+)/g;
  const nodes = [];
  let from = 0;
  for (const found of String(text).matchAll(pattern)) {
    const [whole, block, code, bold, italic, struck, url] = found;
    nodes.push(text.slice(from, found.index));
    if (url) nodes.push(outside(url, url));
    else if (block ?? code) nodes.push(h("code", {}, block ?? code));
    else if (bold) nodes.push(h("strong", {}, bold));
    else if (italic) nodes.push(h("em", {}, italic));
    else nodes.push(h("s", {}, struck));
    from = found.index + whole.length;
  }
  nodes.push(String(text).slice(from));
  return nodes;
}

/**
 * The nodes of a message.
 * @param native Meta's message object, or the body of the business's call
 * @param context `{ media(id), tap(reply), choose(), active }`: the address of a sample, what a tap does
 */
export function contentOf(native, context) {
  const make = TYPES[native.type ?? "text"];
  return make
    ? make(native[native.type ?? "text"] ?? {}, context)
    : [h("p", { class: "quiet" }, `(${native.type})`)];
}

/** A short form of the message, for lists and quotes. */
export function snippetOf(native) {
  const type = native.type ?? "text";
  const part = native[type] ?? {};
  const words = {
    text: () => part.body,
    button: () => part.text,
    interactive: () => part.button_reply?.title ?? part.list_reply?.title ?? part.body?.text,
    location: () => `Location${part.name ? `: ${part.name}` : ""}`,
    contacts: () => `Contact: ${part[0]?.name?.formatted_name ?? ""}`,
    reaction: () => part.emoji ? `Reacted ${part.emoji}` : "Removed a reaction",
    template: () => `Template ${part.name}`,
    system: () => part.body,
    document: () => part.caption ?? part.filename ?? "Document",
  };
  const label = type[0].toUpperCase() + type.slice(1);
  return words[type]?.() ?? part.caption ?? label;
}

/** By type; an unknown type is shown by its name. */
export const TYPES = {
  text: ({ body }) => [h("p", {}, formatted(body))],
  image: (part, context) => media("image", part, context),
  sticker: (part, context) => media("sticker", part, context),
  video: (part, context) => media("video", part, context),
  audio: (part, context) => media("audio", part, context),
  document: (part, context) => media("document", part, context),
  button: ({ text }) => [h("p", {}, text)],
  location: ({ latitude, longitude, name, address }) => [
    h("div", { class: "map", "aria-hidden": "true" }, icon(ICONS.location, 30)),
    h("p", {}, h("strong", {}, name ?? "Location")),
    address && h("p", { class: "quiet" }, address),
    h("p", { class: "quiet" }, `${Number(latitude).toFixed(5)}, ${Number(longitude).toFixed(5)}`),
  ],
  contacts: (cards) =>
    [...cards].map((card) =>
      h(
        "div",
        { class: "card" },
        icon(ICONS.person, 26),
        h(
          "div",
          {},
          h("p", {}, h("strong", {}, card.name?.formatted_name ?? "Contact")),
          (card.phones ?? []).map(({ phone }) => h("p", { class: "quiet" }, phone)),
        ),
      )
    ),
  template: template,
  interactive: interactive,
};

function media(type, part, context) {
  const source = context.media(part.id) ?? part.link;
  const caption = part.caption && h("p", {}, formatted(part.caption));
  if ((type === "image" || type === "sticker") && source) {
    const picture = h("img", {
      src: source,
      alt: part.caption ?? (type === "image" ? "Photo" : "Sticker"),
      class: type,
    });
    picture.addEventListener("error", () => picture.replaceWith(file(type, part, source)), { once: true });
    return [picture, caption];
  }
  if ((type === "audio" || type === "video") && source) {
    const player = h(type, { src: source, controls: true, class: type, "aria-label": LABELS[type] });
    player.addEventListener("error", () => player.replaceWith(file(type, part, source)), { once: true });
    return [player, caption];
  }
  return [file(type, part, source), caption];
}

const LABELS = { audio: "Voice message", video: "Video" };

function file(type, part, source) {
  const name = part.filename ?? (type[0].toUpperCase() + type.slice(1));
  const title = source ? outside(source, name) : h("strong", {}, name);
  const about = part.mime_type ?? (part.id ? `media ${part.id}` : part.link);
  return h(
    "div",
    { class: "card" },
    icon(ICONS[type] ?? ICONS.image, 26),
    h(
      "div",
      {},
      h("p", {}, title),
      h("p", { class: "quiet" }, about),
    ),
  );
}

function template({ name, language, components = [] }, context) {
  const values = (component) =>
    (component.parameters ?? []).map((p) =>
      p.text ?? p.payload ?? p[p.type]?.link ?? p[p.type]?.fallback_value ?? p.type
    );
  const parts = components.filter(({ type }) => type.toLowerCase() !== "button");
  const taps = components.filter(({ type, sub_type }) =>
    type.toLowerCase() === "button" && sub_type?.toLowerCase() === "quick_reply"
  );
  return [
    h(
      "div",
      { class: "card" },
      icon(ICONS.template, 26),
      h(
        "div",
        {},
        h("p", {}, h("strong", {}, name)),
        h("p", { class: "quiet" }, `Template, ${language?.code}`),
      ),
    ),
    parts.length > 0 && h(
      "dl",
      {},
      parts.map((one) => [
        h("dt", {}, one.type.toLowerCase()),
        h("dd", {}, values(one).join(" · ")),
      ]),
    ),
    taps.map((one, index) => {
      const payload = values(one)[0] ?? `button-${index}`;
      return tapButton(
        payload,
        () => context.tap({ type: "button", button: { payload, text: payload } }),
        context,
      );
    }),
  ];
}

function interactive(part, context) {
  const chosen = part.button_reply ?? part.list_reply;
  if (chosen) {
    return [h("p", {}, chosen.title), chosen.description && h("p", { class: "quiet" }, chosen.description)];
  }
  const header = part.header &&
    (part.header.type === "text"
      ? [h("p", {}, h("strong", {}, part.header.text))]
      : media(part.header.type, part.header[part.header.type] ?? {}, context));
  return [
    header,
    part.body && h("p", {}, formatted(part.body.text)),
    part.footer && h("p", { class: "quiet" }, part.footer.text),
    ACTIONS[part.type]?.(part.action ?? {}, context) ?? h("p", { class: "quiet" }, `(${part.type})`),
  ].flat();
}

const ACTIONS = {
  button: ({ buttons = [] }, context) =>
    buttons.map(({ reply: { id, title } }) => {
      const message = {
        type: "interactive",
        interactive: { type: "button_reply", button_reply: { id, title } },
      };
      return tapButton(title, () => context.tap(message), context, ICONS.reply);
    }),
  list: ({ button }, context) => tapButton(button, () => context.choose(), context, ICONS.list),
  cta_url: ({ parameters = {} }) =>
    h("p", { class: "tap" }, outside(parameters.url, parameters.display_text, icon(ICONS.link))),
  flow: ({ parameters = {} }) =>
    h("p", { class: "quiet" }, `Flow: ${parameters.flow_cta ?? "open"} (not shown here)`),
  location_request_message: (_, context) =>
    tapButton("Send location", () => context.tap("location"), context, ICONS.location),
};

function tapButton(title, act, context, path = ICONS.reply) {
  return h(
    "button",
    { type: "button", class: "tap", onclick: act, disabled: !context.active },
    icon(path),
    title,
  );
}

/** A link that opens in a new tab; plain text if it is not a web URL. */
export function outside(url, ...children) {
  const safe = /^https?:\/\//.test(url);
  return safe
    ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, children)
    : h("span", {}, children);
}
