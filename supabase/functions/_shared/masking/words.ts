/**
 * What a writer is told when a masked text was not delivered, in the writer's language. Pure.
 *
 * Says nothing of the other side: no name, no number, not whether somebody else wrote.
 *
 * @module
 */

/** Languages that writers are told in. */
export type NoticeLanguage = "en" | "es" | "fr" | "pt" | "de";
/** What is told: detection held the text; no visit is near; the client wants no texts. */
export type NoticeKind = "blocked" | "no_active_window" | "opted_out";

interface Words {
  blocked: string;
  no_active_window: (next: string | undefined) => string;
  opted_out: string;
}

const WORDS: Readonly<Record<NoticeLanguage, Words>> = {
  en: {
    blocked:
      "Your message was not delivered: it seems to hold contact details or a payment outside of our service. " +
      "Please write it without them, or call the office.",
    no_active_window: (next) =>
      "Your message was not delivered: you can write to this client around your visits. " +
      (next === undefined ? "Please call the office." : `The next time begins ${next}.`),
    opted_out: "Your message was not delivered: this client does not want texts. Please call the office.",
  },
  es: {
    blocked:
      "Su mensaje no se ha entregado: parece contener datos de contacto o un pago fuera de nuestro servicio. " +
      "Escríbalo sin ellos o llame a la oficina.",
    no_active_window: (next) =>
      "Su mensaje no se ha entregado: puede escribir a este cliente en torno a sus visitas. " +
      (next === undefined ? "Llame a la oficina." : `La próxima vez empieza el ${next}.`),
    opted_out: "Su mensaje no se ha entregado: este cliente no desea recibir mensajes. Llame a la oficina.",
  },
  fr: {
    blocked:
      "Votre message n'a pas été remis : il semble contenir des coordonnées ou un paiement hors de notre service. " +
      "Écrivez-le sans cela, ou appelez le bureau.",
    no_active_window: (next) =>
      "Votre message n'a pas été remis : vous pouvez écrire à ce client autour de vos visites. " +
      (next === undefined ? "Appelez le bureau." : `La prochaine fois commence ${next}.`),
    opted_out: "Votre message n'a pas été remis : ce client ne souhaite pas de messages. Appelez le bureau.",
  },
  pt: {
    blocked:
      "A sua mensagem não foi entregue: parece conter dados de contacto ou um pagamento fora do nosso serviço. " +
      "Escreva-a sem eles ou ligue para o escritório.",
    no_active_window: (next) =>
      "A sua mensagem não foi entregue: pode escrever a este cliente por altura das suas visitas. " +
      (next === undefined ? "Ligue para o escritório." : `A próxima vez começa ${next}.`),
    opted_out: "A sua mensagem não foi entregue: este cliente não deseja mensagens. Ligue para o escritório.",
  },
  de: {
    blocked:
      "Ihre Nachricht wurde nicht zugestellt: Sie scheint Kontaktdaten oder eine Zahlung außerhalb unseres Dienstes zu enthalten. " +
      "Bitte schreiben Sie sie ohne diese, oder rufen Sie das Büro an.",
    no_active_window: (next) =>
      "Ihre Nachricht wurde nicht zugestellt: Sie können diesem Kunden um Ihre Besuche herum schreiben. " +
      (next === undefined ? "Bitte rufen Sie das Büro an." : `Das nächste Mal beginnt ${next}.`),
    opted_out:
      "Ihre Nachricht wurde nicht zugestellt: Dieser Kunde möchte keine Nachrichten. Bitte rufen Sie das Büro an.",
  },
};

/** Country codes with one language, by the digits that a number begins with (ITU E.164); English elsewhere. */
const BY_COUNTRY: readonly [language: NoticeLanguage, codes: readonly string[]][] = [
  ["fr", ["33"]],
  ["de", ["49", "43"]],
  ["pt", ["351", "55"]],
  [
    "es",
    ["34", "51", "52", "53", "54", "56", "57", "58", "502", "503", "504", "505", "506", "507", "591"]
      .concat("593", "595", "598"),
  ],
];

/** The language of a phone's country; English for one with several, and without a phone. */
export function noticeLanguage(phone: string | null): NoticeLanguage {
  return BY_COUNTRY.find(([, codes]) => codes.some((code) => phone?.startsWith(code)))?.[0] ?? "en";
}

/**
 * A sentence or two for the writer of a text.
 * @param next ISO instant of the next time to write, shown by the clocks in `zone` (IANA).
 */
export function noticeOf(
  kind: NoticeKind,
  language: NoticeLanguage,
  { next, zone }: { next?: string; zone: string },
): string {
  const words = WORDS[language];
  if (kind !== "no_active_window") return words[kind];
  return words.no_active_window(
    next === undefined ? undefined : new Intl.DateTimeFormat(language, {
      weekday: "long",
      day: "numeric",
      month: "long",
      hour: "2-digit",
      minute: "2-digit",
      timeZone: zone,
    }).format(new Date(next)),
  );
}
