/**
 * What callers hear, in their language.
 *
 * @module
 */

/** Sentences for a caller. */
export interface CallWords {
  /** For Twilio's `<Say language>`. */
  readonly locale: string;
  /** Before the office is rung. */
  readonly office: string;
  /** Before we hang up. */
  readonly nobody: string;
}

const WORDS = {
  en: {
    locale: "en-US",
    office: "The person you are calling is not available. We are connecting you to the office.",
    nobody: "Nobody can take your call at the moment. Please send a text message to this number.",
  },
  es: {
    locale: "es-ES",
    office: "La persona a la que llama no está disponible. Le comunicamos con la oficina.",
    nobody: "En este momento nadie puede atender su llamada. Envíe un mensaje de texto a este número.",
  },
  fr: {
    locale: "fr-FR",
    office:
      "La personne que vous appelez n'est pas disponible. Nous vous mettons en relation avec le bureau.",
    nobody: "Personne ne peut prendre votre appel pour le moment. Veuillez envoyer un SMS à ce numéro.",
  },
  pt: {
    locale: "pt-BR",
    office:
      "A pessoa para quem está ligando não está disponível. Vamos transferir a ligação para o escritório.",
    nobody: "Ninguém pode atender sua ligação neste momento. Envie uma mensagem de texto para este número.",
  },
  de: {
    locale: "de-DE",
    office: "Die gewünschte Person ist gerade nicht erreichbar. Wir verbinden Sie mit dem Büro.",
    nobody: "Im Moment kann niemand Ihren Anruf annehmen. Bitte senden Sie eine SMS an diese Nummer.",
  },
} as const satisfies Record<string, CallWords>;

const LANGUAGES: readonly (readonly [keyof typeof WORDS, string])[] = [
  ["es", "ES MX AR CO CL PE VE EC GT CU BO DO HN PY SV NI CR PA UY PR GQ"],
  ["fr", "FR BE LU MC SN CI ML BF NE TG BJ GA CG CD CM GP MQ RE GF"],
  ["pt", "PT BR AO MZ CV GW ST TL"],
  ["de", "DE AT CH LI"],
];

/**
 * The words for a caller, by ISO 3166 codes.
 *
 * @param country Where the caller's number is from; undefined if unknown.
 * @param region State or province; Québec speaks French.
 * @param countries Of the organisation, for a caller from nowhere; the first counts.
 */
export function callWords(
  country: string | undefined,
  region: string | undefined,
  countries: readonly string[],
): CallWords {
  const from = country === undefined || country === "" ? countries[0] : country;
  if (from === "CA" && region === "QC") return WORDS.fr;
  const language = LANGUAGES.find(([, list]) => from !== undefined && list.split(" ").includes(from));
  return WORDS[language?.[0] ?? "en"];
}
