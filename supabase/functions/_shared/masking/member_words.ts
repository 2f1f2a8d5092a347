/**
 * What owners and sitters are told when a part of messaging begins or ends for their organisation: all of the words, in
 * the languages of phones' countries. Pure.
 *
 * Nobody else's name or number is in them. A text fits in five segments at most.
 *
 * @module
 */
import type { NoticeLanguage } from "./words.ts";

/** The part of messaging, by its flag: core, threads on assignment, sitters. */
export type MemberTopic = "messaging" | "threads" | "sitters";

/** What one member is told, by whichever way there is. */
export interface MemberNotice {
  /** Of a mail. */
  readonly subject: string;
  /** The body of a mail. */
  readonly mail: string;
  /** A text, which says how to end them. */
  readonly text: string;
}

interface Words {
  readonly begins: readonly [subject: string, text: string];
  readonly ends: readonly [subject: string, text: string];
}

const WORDS: Readonly<Record<NoticeLanguage, Readonly<Record<MemberTopic, Words>> & { stop: string }>> = {
  en: {
    stop: "Reply STOP for no more texts from this number.",
    messaging: {
      begins: [
        "Messaging begins",
        "Clients and sitters now text each other through the numbers of the business. " +
        "Texts that nobody can be found for, or that are held back, wait in your inbox.",
      ],
      ends: [
        "Messaging is switched off",
        "Messaging is switched off for now. Texts from clients are kept for you and not passed on. Your threads stay.",
      ],
    },
    threads: {
      begins: [
        "Threads open on assignment",
        "A thread now opens as soon as you assign a sitter to a recurring client.",
      ],
      ends: [
        "Threads open with the first text",
        "Threads no longer open on assignment, but with the client's first text. Those that exist go on.",
      ],
    },
    sitters: {
      begins: [
        "You can text your clients",
        "You can now text your clients around your visits, at the number of each thread. " +
        "Texts are checked by a program: contact details and payments outside of our service are held back.",
      ],
      ends: [
        "Messages to clients are paused",
        "Messages between sitters and clients are paused. What you write now is not passed on. Please call the office.",
      ],
    },
  },
  es: {
    stop: "Responda STOP para no recibir más mensajes de este número.",
    messaging: {
      begins: [
        "Empiezan los mensajes",
        "Clientes y cuidadores se escriben ahora a través de los números de la empresa. " +
        "Los mensajes sin destinatario o retenidos esperan en su bandeja.",
      ],
      ends: [
        "Los mensajes están desactivados",
        "Los mensajes están desactivados por ahora. Los de clientes se guardan y no se reenvían. Sus hilos se conservan.",
      ],
    },
    threads: {
      begins: [
        "Los hilos se abren al asignar",
        "Ahora se abre un hilo en cuanto asigna un cuidador a un cliente habitual.",
      ],
      ends: [
        "Los hilos se abren con el primer mensaje",
        "Los hilos ya no se abren al asignar, sino con el primer mensaje del cliente. Los existentes continúan.",
      ],
    },
    sitters: {
      begins: [
        "Puede escribir a sus clientes",
        "Ya puede escribir a sus clientes en torno a sus visitas, al número de cada hilo. " +
        "Un programa revisa los mensajes: se retienen datos de contacto y pagos fuera de nuestro servicio.",
      ],
      ends: [
        "Los mensajes a clientes están en pausa",
        "Los mensajes entre cuidadores y clientes están en pausa. Lo que escriba no se reenvía. Llame a la oficina.",
      ],
    },
  },
  fr: {
    stop: "Répondez STOP pour ne plus recevoir de messages de ce numéro.",
    messaging: {
      begins: [
        "La messagerie commence",
        "Clients et intervenants s'écrivent désormais par les numéros de l'entreprise. " +
        "Les messages sans destinataire ou retenus attendent dans votre boîte.",
      ],
      ends: [
        "La messagerie est désactivée",
        "La messagerie est désactivée pour le moment. Les messages des clients sont conservés et non transmis. Vos fils restent.",
      ],
    },
    threads: {
      begins: [
        "Les fils s'ouvrent à l'affectation",
        "Un fil s'ouvre désormais dès que vous affectez un intervenant à un client régulier.",
      ],
      ends: [
        "Les fils s'ouvrent au premier message",
        "Les fils ne s'ouvrent plus à l'affectation, mais au premier message du client. Les fils existants continuent.",
      ],
    },
    sitters: {
      begins: [
        "Vous pouvez écrire à vos clients",
        "Vous pouvez désormais écrire à vos clients autour de vos visites, au numéro de chaque fil. " +
        "Un programme contrôle les messages : coordonnées et paiements hors de notre service sont retenus.",
      ],
      ends: [
        "Les messages aux clients sont suspendus",
        "Les messages entre intervenants et clients sont suspendus. Ce que vous écrivez n'est pas transmis. Appelez le bureau.",
      ],
    },
  },
  pt: {
    stop: "Responda STOP para não receber mais mensagens deste número.",
    messaging: {
      begins: [
        "As mensagens começam",
        "Clientes e cuidadores escrevem-se agora pelos números da empresa. " +
        "As mensagens sem destinatário ou retidas esperam na sua caixa.",
      ],
      ends: [
        "As mensagens estão desligadas",
        "As mensagens estão desligadas por agora. As dos clientes são guardadas e não seguem. As suas conversas ficam.",
      ],
    },
    threads: {
      begins: [
        "As conversas abrem na atribuição",
        "Uma conversa abre agora assim que atribui um cuidador a um cliente habitual.",
      ],
      ends: [
        "As conversas abrem com a primeira mensagem",
        "As conversas já não abrem na atribuição, mas com a primeira mensagem do cliente. As existentes continuam.",
      ],
    },
    sitters: {
      begins: [
        "Pode escrever aos seus clientes",
        "Já pode escrever aos seus clientes por altura das suas visitas, no número de cada conversa. " +
        "Um programa verifica as mensagens: dados de contacto e pagamentos fora do nosso serviço são retidos.",
      ],
      ends: [
        "As mensagens aos clientes estão em pausa",
        "As mensagens entre cuidadores e clientes estão em pausa. O que escrever não segue. Ligue para o escritório.",
      ],
    },
  },
  de: {
    stop: "Antworten Sie STOP, um von dieser Nummer keine Nachrichten mehr zu erhalten.",
    messaging: {
      begins: [
        "Nachrichten beginnen",
        "Kunden und Betreuer schreiben einander jetzt über die Nummern des Betriebs. " +
        "Nachrichten ohne Empfänger und zurückgehaltene warten in Ihrem Eingang.",
      ],
      ends: [
        "Nachrichten sind ausgeschaltet",
        "Nachrichten sind vorerst ausgeschaltet. Die von Kunden werden aufbewahrt und nicht weitergegeben. Ihre Verläufe bleiben.",
      ],
    },
    threads: {
      begins: [
        "Verläufe beginnen mit der Zuteilung",
        "Ein Verlauf beginnt jetzt, sobald Sie einem Stammkunden einen Betreuer zuteilen.",
      ],
      ends: [
        "Verläufe beginnen mit der ersten Nachricht",
        "Verläufe beginnen nicht mehr mit der Zuteilung, sondern mit der ersten Nachricht des Kunden. Bestehende gehen weiter.",
      ],
    },
    sitters: {
      begins: [
        "Sie können Ihren Kunden schreiben",
        "Sie können Ihren Kunden jetzt um Ihre Besuche herum schreiben, an die Nummer des Verlaufs. " +
        "Ein Programm prüft die Nachrichten: Kontaktdaten und Zahlungen außerhalb unseres Dienstes werden zurückgehalten.",
      ],
      ends: [
        "Nachrichten an Kunden pausieren",
        "Nachrichten zwischen Betreuern und Kunden pausieren. Was Sie jetzt schreiben, wird nicht weitergegeben. Bitte rufen Sie das Büro an.",
      ],
    },
  },
};

/** Most characters of an organisation's name in a notice. */
const NAME = 40;

/**
 * What a member is told.
 * @param org Name of the organisation, which comes first.
 */
export function memberNotice(
  topic: MemberTopic,
  begins: boolean,
  language: NoticeLanguage,
  org: string,
): MemberNotice {
  const words = WORDS[language];
  const [subject, said] = words[topic][begins ? "begins" : "ends"];
  const name = [...org].length > NAME ? `${[...org].slice(0, NAME - 1).join("")}…` : org;
  const mail = `${name}: ${said}`;
  return { subject: `${name}: ${subject}`, text: `${mail} ${words.stop}`, mail };
}
