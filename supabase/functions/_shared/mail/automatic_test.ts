import { assertEquals } from "../../../../tests/support/assert.ts";
import { automaticSubject } from "./automatic.ts";

const AUTOMATIC = [
  "Automatic reply: Your seeds",
  "Automatic reply",
  "AUTO: Your seeds",
  "Auto-Reply: Your seeds",
  "Autoreply - Your seeds",
  "[Auto-Reply] Your seeds",
  "Out of Office: Your seeds",
  "Out of office Re: Your seeds",
  "Out of the Office Re: Your seeds",
  "Out of Office AutoReply: Your seeds",
  "Automatische Antwort: Ihre Samen",
  "Abwesenheitsnotiz: Ihre Samen",
  "Abwesenheitsnotiz Mara Fern",
  "Abwesend: ".replace("Abwesend", "Abwesenheit"),
  "Réponse automatique : Vos graines",
  "Message d’absence : Vos graines",
  "Respuesta automática: Tus semillas",
  "Risposta automatica: I tuoi semi",
  "Resposta automática: Suas sementes",
  "Automatisch antwoord: Je zaden",
  "Autosvar: Dina frön",
  "Automatiskt svar: Dina frön",
  "Automaattinen vastaus: Siemenesi",
  "Odpowiedź automatyczna: Twoje nasiona",
  "Automatická odpověď: Vaše semena",
  "Автоматический ответ: Ваши семена",
  "Автоответ: Ваши семена",
  "Otomatik Yanıt: Tohumların",
  "Αυτόματη απάντηση: Οι σπόροι σας",
  "自動応答: 種",
  "【自動返信】お問い合わせ",
  "自动回复: 您的种子",
  "자동 회신: 씨앗",
  "رد تلقائي: بذورك",
  "תשובה אוטומטית: הזרעים שלך",
];
for (const subject of AUTOMATIC) {
  Deno.test(`automaticSubject(): ${subject}`, () => assertEquals(automaticSubject(subject), true));
}

const PEOPLE = [
  "Your seeds",
  "Re: Automatic reply: Your seeds",
  "AW: Abwesenheitsnotiz",
  "Automatic reply does not work",
  "Automatic replies: how?",
  "How do I set an automatic reply?",
  "Auto parts for sale",
  "Automobile: which one?",
  "Out of office furniture",
  "Out of office on Friday?",
  "Abwesenheitsnotiz einrichten?",
  "Automatische Antwort einrichten",
  "On leave of absence: question",
  "Réponse automatiquement",
  "自动回复怎么设置？",
  "",
];
for (const subject of PEOPLE) {
  Deno.test(`automaticSubject(): a person's "${subject}"`, () =>
    assertEquals(automaticSubject(subject), false));
}
