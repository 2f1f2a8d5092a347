/**
 * Words by which people end texts, or ask for them again. The provider acts on them by itself; we must know what it
 * did, and write to nobody who has ended them.
 *
 * Sources: Twilio, "Twilio support for opt-out keywords" (REVOKE and OPTOUT since 2025); CTIA, "Messaging Principles and
 * Best Practices"; CRTC, guidance on ARRET. The words of other languages are the usual ones of carriers; a team adds its
 * own with the setting `opt_out.stop_words`.
 *
 * @module
 */

/**
 * - `out`: sends the person nothing more from this number.
 * - `in`: they want texts again.
 * - `in_if_out`: the same if they have opted out; else an answer like any other (YES).
 * - `help`: they ask who writes; the provider answers.
 */
export type OptWord = "out" | "in" | "in_if_out" | "help";

/**
 * Only words that providers act on count as `in`: with others we would send what the provider refuses. Ending is done
 * in all five languages, because a text too few is the smaller fault.
 */
const WORDS: Readonly<Record<OptWord, string>> = {
  out: [
    "STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT OPT-OUT",
    "PARAR ALTO BAJA CANCELAR DETENER",
    "ARRET ARRETER ARRETEZ DESABONNER DESINSCRIRE FIN",
    "PARE SAIR REMOVER DESCADASTRAR",
    "STOPP ABMELDEN ABBESTELLEN BEENDEN ENDE",
  ].join(" "),
  in: "START UNSTOP",
  in_if_out: "YES",
  help: "HELP INFO AYUDA AIDE AJUDA HILFE",
};

const BY_WORD: ReadonlyMap<string, OptWord> = new Map(
  (Object.entries(WORDS) as [OptWord, string][]).flatMap(([means, words]) =>
    words.split(" ").map((word): [string, OptWord] => [word, means])
  ),
);

/** Longer texts are no word alone, whatever stands around it. */
const LONGEST = 40;

/**
 * What a text that consists of one such word means; undefined for any other. Case, accents, blanks and a closing full
 * stop do not matter; "STOP PLEASE" is none.
 */
export function optWordOf(text: string): OptWord | undefined {
  if (text.length > LONGEST) return undefined;
  return BY_WORD.get(plain(text).replace(/^[\s"'.!]+/, "").replace(/(?<![\s"'.!])[\s"'.!]+$/, ""));
}

/**
 * What the provider says that a text meant; it knows the account's own words. Undefined where it does not say.
 *
 * @param said Twilio's OptOutType: STOP, START or HELP.
 */
export function optWordOfType(said: string | undefined): OptWord | undefined {
  switch (said?.trim().toUpperCase()) {
    case "STOP":
      return "out";
    case "START":
      return "in";
    case "HELP":
      return "help";
    default:
      return undefined;
  }
}

/** Words that end something, and words for what is ended. Without accents, in upper case. */
const ENDS = new Set(
  ("STOP STOPP UNSUBSCRIBE CANCEL QUIT REVOKE REMOVE DELETE CEASE DONT DON'T NOT NEVER " +
    "PARAR PARE PAREN DEJA DEJE DEJEN ELIMINA BORRA " +
    "ARRETE ARRETEZ ARRETER CESSEZ DESABONNEZ SUPPRIMEZ " +
    "PARA PAREM REMOVA REMOVER CANCELE " +
    "HOR HORT AUFHOREN LOSCHEN ABMELDEN KEINE NICHT").split(" "),
);
const ENDED = new Set(
  ("TEXTING TEXTS MESSAGING MESSAGES CONTACTING SMS LIST " +
    "MENSAJES ESCRIBIRME ESCRIBIR ENVIARME MANDARME " +
    "MESSAGES ECRIRE ENVOYER " +
    "MENSAGENS ESCREVER ENVIAR MANDAR " +
    "NACHRICHTEN SCHREIBEN SCHICKEN").split(" "),
);
/** "text me", "message me": verbs only beside a word that ends. */
const ME = new Set(["TEXT", "MESSAGE", "CONTACT", "WRITE"]);
/** Words between the two. */
const REACH = 5;
const MAX_WORDS = 60;

/**
 * Whether a text may be meant to end texts without being a keyword, as in "please stop texting me". In the United
 * States any reasonable way counts (47 CFR 64.1200(a)(10)), so a person should read it; nothing is blocked by it.
 */
export function mayEndTexts(text: string): boolean {
  const words = plain(text).split(/[^A-Z'-]+/, MAX_WORDS);
  return words.some((word, i) => {
    if (!ENDS.has(word)) return false;
    const next = words.slice(i + 1, i + 1 + REACH);
    return next.some((other, j) => ENDED.has(other) || ME.has(other) && next[j + 1] === "ME");
  });
}

function plain(text: string): string {
  return text.normalize("NFKD").replace(/[\u0300-\u036f\u200b-\u200f\u2060\ufeff]/g, "").replaceAll("’", "'")
    .toUpperCase();
}
