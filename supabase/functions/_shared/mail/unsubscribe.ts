/**
 * Whether a mail asks for no more mail: by its subject, which a `mailto:` of List-Unsubscribe makes, or because its whole
 * text is a word for it. Whoever writes a sentence gets a person's answer.
 *
 * @module
 */

const SUBJECTS = new Set([
  ...[
    "unsubscribe",
    "unsubscribe me",
    "please unsubscribe",
    "list-unsubscribe",
    "remove",
    "remove me",
    "opt out",
    "opt-out",
  ],
  ...[
    "abmelden",
    "abmeldung",
    "abbestellen",
    "newsletter abmelden",
    "désinscription",
    "désabonnement",
    "se désabonner",
  ],
  ...[
    "baja",
    "darse de baja",
    "cancelar suscripción",
    "anular suscripción",
    "cancella iscrizione",
    "disiscrizione",
  ],
  ...[
    "cancelar inscrição",
    "cancelar assinatura",
    "descadastrar",
    "uitschrijven",
    "afmelden",
    "avsluta prenumeration",
  ],
  ...[
    "avregistrera",
    "afmeld",
    "avmeld",
    "wypisz",
    "rezygnacja",
    "odhlásit",
    "отписаться",
    "отписка",
    "відписатися",
  ],
  ...[
    "退订",
    "取消订阅",
    "退訂",
    "取消訂閱",
    "配信停止",
    "登録解除",
    "수신거부",
    "구독 취소",
    "إلغاء الاشتراك",
    "הסרה",
  ],
]);

/** Words that mean it as the whole text of an answer, besides {@linkcode SUBJECTS}. */
const WORDS = new Set([
  ...[
    "stop",
    "stop it",
    "stop please",
    "please stop",
    "stopp",
    "stopall",
    "stop all",
    "cancel",
    "end",
    "quit",
  ],
  ...[
    "please remove me",
    "take me off your list",
    "no more emails",
    "no more mails",
    "arrêt",
    "arret",
    "arrêter",
  ],
  ...[
    "désabonner",
    "désinscrire",
    "désabonnez-moi",
    "bitte abmelden",
    "keine mails mehr",
    "keine e-mails mehr",
  ],
  ...[
    "alto",
    "parar",
    "pare",
    "no más",
    "basta",
    "ferma",
    "cancellami",
    "sair",
    "remover",
    "stoppen",
    "sluta",
  ],
  ...["lopeta", "стоп", "停止", "停", "중지", "توقف", "الغاء", "إلغاء"],
]);

/** Longest text that is looked at. */
const MOST = 60;

/** Without punctuation at the ends, blanks as one, lower-case. */
function bare(text: string): string {
  return text.normalize("NFC").toLowerCase().replace(/\s+/g, " ").replace(/^[\s"'“”«».!¡。！\-]+/, "")
    .replace(/[\s"'“”«».!。！\-]{1,20}$/, "").trim();
}

/** How a mail asks for no more mail; null if it does not. */
export function asksForNoMore(subject: string, text: string): "subject" | "text" | null {
  if (subject.length <= MOST && SUBJECTS.has(bare(subject))) return "subject";
  if (text.length > MOST) return null;
  const words = bare(text);
  return WORDS.has(words) || SUBJECTS.has(words) ? "text" : null;
}
