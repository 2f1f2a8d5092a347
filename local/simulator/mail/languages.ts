/** What mail programs write in five languages. Patterns as the programs of 2025 and 2026 make them. */

export const LANGUAGES = ["en", "de", "fr", "es", "ja"] as const;
export type Language = (typeof LANGUAGES)[number];

/** A sender as it stands in a line before a quote. */
interface Who {
  name: string;
  address: string;
}

/** The words of one language. */
export interface Words {
  /** The language in itself. */
  label: string;
  /** An answer to begin with. */
  sample: string;
  gmail(at: Date, who: Who): string;
  apple(at: Date, who: Who): string;
  outlook: { reply: string; from: string; sent: string; to: string; subject: string; date(at: Date): string };
  /** What the phone writes below an answer. */
  device: string;
  away: { subject: string; text: string };
}

const LOCALES: Record<Language, string> = { en: "en-US", de: "de-DE", fr: "fr-FR", es: "es-ES", ja: "ja-JP" };

/** A date's parts in a language: {weekday, month, day, year, hour, minute, dayPeriod}, the names short or long. */
function partsOf(language: Language, at: Date, names: "short" | "long" = "short"): Record<string, string> {
  const format = new Intl.DateTimeFormat(LOCALES[language], {
    timeZone: "UTC",
    ...{ weekday: names, day: "numeric", month: names, year: "numeric" },
    ...{ hour: "numeric", minute: "2-digit" },
  });
  return Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
}

const two = (n: number) => String(n).padStart(2, "0");
const time = (at: Date) => `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
const named = ({ name, address }: Who) => `${name} <${address}>`;

export const WORDS: Record<Language, Words> = {
  en: {
    label: "English",
    sample: "Yes, Saturday suits me.\n\nBest wishes",
    gmail: (at, who) => {
      const { weekday, month, day, year, hour, minute, dayPeriod } = partsOf("en", at);
      return `On ${weekday}, ${month} ${day}, ${year} at ${hour}:${minute}\u202f${dayPeriod} ${
        named(who)
      } wrote:`;
    },
    apple: (at, who) => {
      const { month, day, year, hour, minute, dayPeriod } = partsOf("en", at);
      return `On ${month} ${day}, ${year}, at ${hour}:${minute}\u202f${dayPeriod}, ${named(who)} wrote:`;
    },
    outlook: {
      reply: "RE: ",
      ...{ from: "From:", sent: "Sent:", to: "To:", subject: "Subject:" },
      date: (at) => {
        const { weekday, month, day, year, hour, minute, dayPeriod } = partsOf("en", at, "long");
        return `${weekday}, ${month} ${day}, ${year} ${hour}:${minute} ${dayPeriod}`;
      },
    },
    device: "Sent from my iPhone",
    away: {
      subject: "Automatic reply: ",
      text: "I am away until Monday and read no mail. My colleagues will help you.",
    },
  },
  de: {
    label: "Deutsch",
    sample: "Ja, Samstag passt mir gut.\n\nViele Grüße",
    gmail: (at, who) => {
      const { weekday, month, day, year } = partsOf("de", at);
      return `Am ${weekday}., ${day}. ${month} ${year} um ${time(at)} Uhr schrieb ${named(who)}:`;
    },
    apple: (at, who) =>
      `Am ${two(at.getUTCDate())}.${two(at.getUTCMonth() + 1)}.${at.getUTCFullYear()} um ${
        time(at)
      } schrieb ${named(who)}:`,
    outlook: {
      reply: "AW: ",
      ...{ from: "Von:", sent: "Gesendet:", to: "An:", subject: "Betreff:" },
      date: (at) => {
        const { weekday, month, day, year } = partsOf("de", at, "long");
        return `${weekday}, ${day}. ${month} ${year} ${time(at)}`;
      },
    },
    device: "Von meinem iPhone gesendet",
    away: {
      subject: "Automatische Antwort: ",
      text: "Ich bin bis Montag nicht im Büro und lese keine E-Mails. Meine Kollegen helfen Ihnen gern.",
    },
  },
  fr: {
    label: "Français",
    sample: "Oui, samedi me convient très bien.\n\nÀ bientôt",
    gmail: (at, who) => {
      const { weekday, month, day, year } = partsOf("fr", at);
      return `Le ${weekday} ${day} ${month} ${year} à ${time(at)}, ${named(who)} a écrit\u00a0:`;
    },
    apple: (at, who) => {
      const { month, day, year } = partsOf("fr", at);
      return `Le ${day} ${month} ${year} à ${time(at)}, ${named(who)} a écrit :`;
    },
    outlook: {
      reply: "RE: ",
      ...{ from: "De\u00a0:", sent: "Envoyé\u00a0:", to: "À\u00a0:", subject: "Objet\u00a0:" },
      date: (at) => {
        const { weekday, month, day, year } = partsOf("fr", at, "long");
        return `${weekday} ${day} ${month} ${year} ${time(at)}`;
      },
    },
    device: "Envoyé de mon iPhone",
    away: {
      subject: "Réponse automatique : ",
      text: "Je suis absent jusqu’à lundi et ne lis pas mes courriels. Mes collègues vous aideront.",
    },
  },
  es: {
    label: "Español",
    sample: "Sí, el sábado me viene bien.\n\nUn saludo",
    gmail: (at, who) => {
      const { weekday, month, day, year } = partsOf("es", at);
      return `El ${weekday}, ${day} ${month} ${year} a las ${
        time(at)
      }, ${who.name} (<${who.address}>) escribió:`;
    },
    apple: (at, who) => {
      const { month, day, year } = partsOf("es", at);
      return `El ${day} ${month} ${year}, a las ${time(at)}, ${named(who)} escribió:`;
    },
    outlook: {
      reply: "RE: ",
      ...{ from: "De:", sent: "Enviado:", to: "Para:", subject: "Asunto:" },
      date: (at) => {
        const { weekday, month, day, year } = partsOf("es", at, "long");
        return `${weekday}, ${day} de ${month} de ${year} ${time(at)}`;
      },
    },
    device: "Enviado desde mi iPhone",
    away: {
      subject: "Respuesta automática: ",
      text: "Estoy fuera hasta el lunes y no leo el correo. Mis compañeros le ayudarán.",
    },
  },
  ja: {
    label: "日本語",
    sample: "土曜日で大丈夫です。\n\nよろしくお願いします。",
    gmail: (at, who) => {
      const { weekday } = partsOf("ja", at);
      return `${at.getUTCFullYear()}年${at.getUTCMonth() + 1}月${at.getUTCDate()}日(${weekday}) ${time(at)} ${
        named(who)
      }:`;
    },
    apple: (at, who) =>
      `${at.getUTCFullYear()}/${at.getUTCMonth() + 1}/${at.getUTCDate()} ${time(at)}、${named(who)}のメール:`,
    outlook: {
      reply: "RE: ",
      ...{ from: "差出人:", sent: "送信日時:", to: "宛先:", subject: "件名:" },
      date: (at) => `${at.getUTCFullYear()}年${at.getUTCMonth() + 1}月${at.getUTCDate()}日 ${time(at)}`,
    },
    device: "iPhoneから送信",
    away: {
      subject: "自動応答: ",
      text: "月曜日まで不在にしており、メールを確認できません。",
    },
  },
};
