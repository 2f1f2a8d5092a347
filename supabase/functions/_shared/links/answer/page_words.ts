/**
 * Texts of the pages that visitors see, in the languages that most visitors read.
 *
 * @module
 */
import { languageOf, preferredLanguages } from "../visitor/languages.ts";

/** Title and advice of a page that explains why an address leads nowhere. */
export type RefusalWords = readonly [title: string, advice: string];

/** Everything that has a page: the root of the links, problem codes, and "temporarily unavailable". */
export type Refused = typeof REFUSED[number];

const REFUSED = [
  "root",
  "not_found",
  "link_not_found",
  "link_deleted",
  "link_disabled",
  "link_blocked",
  "link_not_started",
  "link_expired",
  "link_used_up",
  "rate_limited",
  "unavailable",
] as const;

/** The texts in one language. */
export interface Words {
  /** Language tag for HTML. */
  readonly lang: string;
  readonly goOn: string;
  readonly openingApp: string;
  readonly openApp: string;
  readonly withoutApp: string;
  readonly openInBrowser: string;
  readonly inAppAdvice: string;
  readonly chooseDevice: string;
  readonly confirm: string;
  readonly confirmAdvice: string;
  readonly password: string;
  readonly wrongPassword: string;
  readonly protected: string;
  readonly open: string;
  readonly home: string;
  readonly again: string;
  /** Label of the field into which people type the code of a link. */
  readonly code: string;
  readonly refused: Readonly<Record<Refused, RefusalWords>>;
}

const EN: Words = {
  lang: "en",
  goOn: "Continue",
  openingApp: "Opening the app…",
  openApp: "Open the app",
  withoutApp: "Continue without the app",
  openInBrowser: "Open in the browser",
  inAppAdvice:
    "You are in the browser of another app, which may not open this one. If nothing happens, open the link in your browser: the menu (⋯) has it.",
  chooseDevice: "Which device is this?",
  confirm: "Open this link?",
  confirmAdvice: "Press the button to go on.",
  password: "Password",
  wrongPassword: "Wrong password.",
  protected: "This link is protected.",
  open: "Open",
  home: "Go to the home page",
  again: "Try again",
  code: "Code of the link",
  refused: {
    root: [
      "This address holds links",
      "The address of a link goes on after the slash: check it, or ask the sender.",
    ],
    not_found: ["This page does not exist", "Check the address: it may have a missing or extra character."],
    link_not_found: [
      "This link does not exist",
      "Check the address: it may have a missing or extra character.",
    ],
    link_deleted: ["This link has been deleted", "Ask the sender for another one."],
    link_disabled: ["This link is turned off", "It may work again later."],
    link_blocked: ["The target of this link is not allowed", "Ask the sender for another one."],
    link_not_started: ["This link is not active yet", "Come back later."],
    link_expired: ["This link has expired", "Ask the sender for another one."],
    link_used_up: ["This link has reached its maximum number of uses", "Ask the sender for another one."],
    rate_limited: ["Too many requests", "Wait a while, and try again."],
    unavailable: ["This link cannot be opened right now", "Try again in a minute."],
  },
};

const DE: Words = {
  lang: "de",
  goOn: "Weiter",
  openingApp: "Die App wird geöffnet …",
  openApp: "App öffnen",
  withoutApp: "Ohne die App weiter",
  openInBrowser: "Im Browser öffnen",
  inAppAdvice:
    "Du bist im Browser einer anderen App, die diese vielleicht nicht öffnet. Wenn nichts geschieht, öffne den Link in deinem Browser: im Menü (⋯).",
  chooseDevice: "Welches Gerät ist das?",
  confirm: "Diesen Link öffnen?",
  confirmAdvice: "Tippe auf die Schaltfläche, um fortzufahren.",
  password: "Passwort",
  wrongPassword: "Falsches Passwort.",
  protected: "Dieser Link ist geschützt.",
  open: "Öffnen",
  home: "Zur Startseite",
  again: "Noch einmal versuchen",
  code: "Code des Links",
  refused: {
    root: [
      "Unter dieser Adresse gibt es Links",
      "Die Adresse eines Links geht nach dem Schrägstrich weiter: Prüfe sie oder frage den Absender.",
    ],
    not_found: [
      "Diese Seite gibt es nicht",
      "Prüfe die Adresse: Vielleicht fehlt ein Zeichen oder ist eines zu viel.",
    ],
    link_not_found: [
      "Diesen Link gibt es nicht",
      "Prüfe die Adresse: Vielleicht fehlt ein Zeichen oder ist eines zu viel.",
    ],
    link_deleted: ["Dieser Link wurde gelöscht", "Bitte den Absender um einen anderen."],
    link_disabled: ["Dieser Link ist abgeschaltet", "Vielleicht funktioniert er später wieder."],
    link_blocked: ["Das Ziel dieses Links ist nicht erlaubt", "Bitte den Absender um einen anderen."],
    link_not_started: ["Dieser Link ist noch nicht aktiv", "Komm später wieder."],
    link_expired: ["Dieser Link ist abgelaufen", "Bitte den Absender um einen anderen."],
    link_used_up: ["Dieser Link wurde so oft benutzt, wie er darf", "Bitte den Absender um einen anderen."],
    rate_limited: ["Zu viele Anfragen", "Warte ein wenig und versuche es noch einmal."],
    unavailable: ["Dieser Link lässt sich gerade nicht öffnen", "Versuche es in einer Minute noch einmal."],
  },
};

const ES: Words = {
  lang: "es",
  goOn: "Continuar",
  openingApp: "Abriendo la app…",
  openApp: "Abrir la app",
  withoutApp: "Continuar sin la app",
  openInBrowser: "Abrir en el navegador",
  inAppAdvice:
    "Estás en el navegador de otra app, que quizá no abra esta. Si no pasa nada, abre el enlace en tu navegador desde el menú (⋯).",
  chooseDevice: "¿Qué dispositivo es este?",
  confirm: "¿Abrir este enlace?",
  confirmAdvice: "Pulsa el botón para continuar.",
  password: "Contraseña",
  wrongPassword: "Contraseña incorrecta.",
  protected: "Este enlace está protegido.",
  open: "Abrir",
  home: "Ir a la página principal",
  again: "Intentar de nuevo",
  code: "Código del enlace",
  refused: {
    root: [
      "Esta dirección contiene enlaces",
      "La dirección de un enlace sigue después de la barra: compruébala o pregunta al remitente.",
    ],
    not_found: ["Esta página no existe", "Comprueba la dirección: puede faltar o sobrar un carácter."],
    link_not_found: ["Este enlace no existe", "Comprueba la dirección: puede faltar o sobrar un carácter."],
    link_deleted: ["Este enlace se ha eliminado", "Pide otro al remitente."],
    link_disabled: ["Este enlace está desactivado", "Quizá vuelva a funcionar más tarde."],
    link_blocked: ["El destino de este enlace no está permitido", "Pide otro al remitente."],
    link_not_started: ["Este enlace aún no está activo", "Vuelve más tarde."],
    link_expired: ["Este enlace ha caducado", "Pide otro al remitente."],
    link_used_up: ["Este enlace ha alcanzado su número máximo de usos", "Pide otro al remitente."],
    rate_limited: ["Demasiadas solicitudes", "Espera un poco e inténtalo de nuevo."],
    unavailable: ["Este enlace no se puede abrir ahora", "Inténtalo de nuevo en un minuto."],
  },
};

const FR: Words = {
  lang: "fr",
  goOn: "Continuer",
  openingApp: "Ouverture de l’application…",
  openApp: "Ouvrir l’application",
  withoutApp: "Continuer sans l’application",
  openInBrowser: "Ouvrir dans le navigateur",
  inAppAdvice:
    "Vous êtes dans le navigateur d’une autre application, qui n’ouvre peut-être pas celle-ci. Si rien ne se passe, ouvrez le lien dans votre navigateur par le menu (⋯).",
  chooseDevice: "Quel est cet appareil ?",
  confirm: "Ouvrir ce lien ?",
  confirmAdvice: "Appuyez sur le bouton pour continuer.",
  password: "Mot de passe",
  wrongPassword: "Mot de passe incorrect.",
  protected: "Ce lien est protégé.",
  open: "Ouvrir",
  home: "Aller à la page d’accueil",
  again: "Réessayer",
  code: "Code du lien",
  refused: {
    root: [
      "Cette adresse contient des liens",
      "L’adresse d’un lien continue après la barre oblique : vérifiez-la ou demandez à l’expéditeur.",
    ],
    not_found: [
      "Cette page n’existe pas",
      "Vérifiez l’adresse : il manque peut-être un caractère, ou il y en a un de trop.",
    ],
    link_not_found: [
      "Ce lien n’existe pas",
      "Vérifiez l’adresse : il manque peut-être un caractère, ou il y en a un de trop.",
    ],
    link_deleted: ["Ce lien a été supprimé", "Demandez-en un autre à l’expéditeur."],
    link_disabled: ["Ce lien est désactivé", "Il fonctionnera peut-être plus tard."],
    link_blocked: ["La destination de ce lien n’est pas autorisée", "Demandez-en un autre à l’expéditeur."],
    link_not_started: ["Ce lien n’est pas encore actif", "Revenez plus tard."],
    link_expired: ["Ce lien a expiré", "Demandez-en un autre à l’expéditeur."],
    link_used_up: [
      "Ce lien a atteint son nombre maximal d’utilisations",
      "Demandez-en un autre à l’expéditeur.",
    ],
    rate_limited: ["Trop de requêtes", "Attendez un peu, puis réessayez."],
    unavailable: ["Ce lien ne peut pas être ouvert pour le moment", "Réessayez dans une minute."],
  },
};

const IT: Words = {
  lang: "it",
  goOn: "Continua",
  openingApp: "Apertura dell’app…",
  openApp: "Apri l’app",
  withoutApp: "Continua senza l’app",
  openInBrowser: "Apri nel browser",
  inAppAdvice:
    "Sei nel browser di un’altra app, che forse non apre questa. Se non succede nulla, apri il link nel tuo browser dal menu (⋯).",
  chooseDevice: "Che dispositivo è?",
  confirm: "Aprire questo link?",
  confirmAdvice: "Premi il pulsante per continuare.",
  password: "Password",
  wrongPassword: "Password errata.",
  protected: "Questo link è protetto.",
  open: "Apri",
  home: "Vai alla pagina iniziale",
  again: "Riprova",
  code: "Codice del link",
  refused: {
    root: [
      "Questo indirizzo contiene link",
      "L’indirizzo di un link continua dopo la barra: controllalo o chiedi al mittente.",
    ],
    not_found: [
      "Questa pagina non esiste",
      "Controlla l’indirizzo: può mancare un carattere o essercene uno di troppo.",
    ],
    link_not_found: [
      "Questo link non esiste",
      "Controlla l’indirizzo: può mancare un carattere o essercene uno di troppo.",
    ],
    link_deleted: ["Questo link è stato eliminato", "Chiedine un altro al mittente."],
    link_disabled: ["Questo link è disattivato", "Forse funzionerà di nuovo più tardi."],
    link_blocked: ["La destinazione di questo link non è consentita", "Chiedine un altro al mittente."],
    link_not_started: ["Questo link non è ancora attivo", "Torna più tardi."],
    link_expired: ["Questo link è scaduto", "Chiedine un altro al mittente."],
    link_used_up: [
      "Questo link ha raggiunto il numero massimo di utilizzi",
      "Chiedine un altro al mittente.",
    ],
    rate_limited: ["Troppe richieste", "Aspetta un po’ e riprova."],
    unavailable: ["Questo link al momento non si può aprire", "Riprova tra un minuto."],
  },
};

const PT: Words = {
  lang: "pt",
  goOn: "Continuar",
  openingApp: "Abrindo o app…",
  openApp: "Abrir o app",
  withoutApp: "Continuar sem o app",
  openInBrowser: "Abrir no navegador",
  inAppAdvice:
    "Você está no navegador de outro app, que talvez não abra este. Se nada acontecer, abra o link no seu navegador pelo menu (⋯).",
  chooseDevice: "Que dispositivo é este?",
  confirm: "Abrir este link?",
  confirmAdvice: "Toque no botão para continuar.",
  password: "Senha",
  wrongPassword: "Senha incorreta.",
  protected: "Este link é protegido.",
  open: "Abrir",
  home: "Ir para a página inicial",
  again: "Tentar de novo",
  code: "Código do link",
  refused: {
    root: [
      "Este endereço contém links",
      "O endereço de um link continua depois da barra: confira-o ou pergunte ao remetente.",
    ],
    not_found: ["Esta página não existe", "Confira o endereço: pode faltar ou sobrar um caractere."],
    link_not_found: ["Este link não existe", "Confira o endereço: pode faltar ou sobrar um caractere."],
    link_deleted: ["Este link foi excluído", "Peça outro ao remetente."],
    link_disabled: ["Este link está desativado", "Talvez volte a funcionar mais tarde."],
    link_blocked: ["O destino deste link não é permitido", "Peça outro ao remetente."],
    link_not_started: ["Este link ainda não está ativo", "Volte mais tarde."],
    link_expired: ["Este link expirou", "Peça outro ao remetente."],
    link_used_up: ["Este link atingiu o número máximo de usos", "Peça outro ao remetente."],
    rate_limited: ["Solicitações demais", "Espere um pouco e tente de novo."],
    unavailable: ["Este link não pode ser aberto agora", "Tente de novo em um minuto."],
  },
};

const LANGUAGES: ReadonlyMap<string, Words> = new Map(
  [EN, DE, ES, FR, IT, PT].map((words) => [words.lang, words]),
);

/** The texts for a visitor: in the language that the header Accept-Language prefers among ours, else in English. */
export function wordsFor(acceptLanguage: string | null): Words {
  for (const tag of preferredLanguages(acceptLanguage)) {
    const words = LANGUAGES.get(languageOf(tag));
    if (words !== undefined) return words;
  }
  return EN;
}
