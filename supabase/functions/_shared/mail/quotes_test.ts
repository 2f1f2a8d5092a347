/** Answers and the mails that they quote, as mail programs write them in many languages. Composed for this test. */
import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import fc from "fast-check";
import { withoutQuotes } from "./quotes.ts";

const A = "<k7qzp3mwx2vtnd4c@in.bloom.example>";
const QUOTED = "\n\n> Hello Mara,\n>\n> your seeds are here.\n> Iris";
const UNQUOTED = "\n\nHello Mara,\n\nyour seeds are here.\nIris";
const ANSWER = "Noon is fine.\n\nThanks, Mara";

const cut = (text: string) => withoutQuotes(text).text;

const ATTRIBUTIONS: readonly (readonly [from: string, line: string])[] = [
  ["English, Gmail", `On Tue, Nov 24, 2026 at 9:15 AM Iris Vale ${A} wrote:`],
  ["English, wrapped", `On Tue, Nov 24, 2026 at 9:15 AM Iris Vale via Bloom Garden Shop\n${A} wrote:`],
  [
    "English, wrapped twice",
    `On Tuesday, November 24, 2026 at 9:15 AM Iris Vale of the Garden\nShop in the High Street of a very small village on the coast\n${A} wrote:`,
  ],
  ["Apple Mail", `On 24 Nov 2026, at 09:15, Iris Vale ${A} wrote:`],
  ["Proton", `On Tuesday, November 24th, 2026 at 9:15 AM, Iris Vale ${A} wrote:`],
  ["German", `Am Di., 24. Nov. 2026 um 10:15 Uhr schrieb Iris Vale\n${A}:`],
  ["German, Thunderbird", `Am 24.11.2026 um 10:15 schrieb Iris Vale:`],
  ["German, Gmail on a phone", `Iris Vale ${A} schrieb am Di., 24. Nov. 2026, 10:15:`],
  ["French, wrapped before the verb", `Le mar. 24 nov. 2026 à 10:15, Iris Vale ${A} a\nécrit :`],
  ["French", `Le 24 nov. 2026 à 10:15, Iris Vale ${A} a écrit :`],
  ["Spanish", `El mar, 24 nov 2026 a las 10:15, Iris Vale (${A}) escribió:`],
  ["Italian", `Il giorno mar 24 nov 2026 alle ore 10:15 Iris Vale ${A} ha scritto:`],
  ["Portuguese", `Em ter., 24 de nov. de 2026 às 09:15, Iris Vale ${A} escreveu:`],
  ["Dutch", `Op di 24 nov. 2026 om 10:15 schreef Iris Vale ${A}:`],
  ["Swedish", `Den tis 24 nov. 2026 kl 10:15 skrev Iris Vale ${A}:`],
  ["Danish", `Den tir. 24. nov. 2026 kl. 10.15 skrev Iris Vale ${A}:`],
  ["Norwegian", `tir. 24. nov. 2026 kl. 10:15 skrev Iris Vale ${A}:`],
  ["Finnish", `ti 24. marrask. 2026 klo 11.15 Iris Vale (${A}) kirjoitti:`],
  ["Polish", `wt., 24 lis 2026 o 10:15 Iris Vale ${A}\nnapisał(a):`],
  ["Czech", `út 24. 11. 2026 v 10:15 odesílatel Iris Vale ${A}\nnapsal:`],
  ["Hungarian", `Iris Vale ${A} ezt írta (időpont: 2026. nov. 24., K, 10:15):`],
  ["Romanian", `mar., 24 nov. 2026, 11:15 Iris Vale ${A} a scris:`],
  ["Turkish", `Iris Vale ${A}, 24 Kas 2026 Sal, 12:15 tarihinde\nşunu yazdı:`],
  ["Russian, Gmail", `вт, 24 нояб. 2026 г. в 12:15, Iris Vale ${A}:`],
  ["Ukrainian", `вт, 24 лист. 2026 р. о 11:15 Iris Vale ${A} пише:`],
  ["Greek", `Στις Τρί 24 Νοε 2026 στις 11:15 π.μ., ο χρήστης Iris Vale ${A}\nέγραψε:`],
  [
    "Hebrew, with marks of direction",
    `\u202bבתאריך יום ג׳, 24 בנוב׳ 2026 ב-11:15 מאת \u202aIris Vale\u202c\u200f <\u202ak7qzp3mwx2vtnd4c@in.bloom.example\u202c\u200f>:\u202c`,
  ],
  [
    "Arabic, with marks of direction",
    `في الثلاثاء، 24 نوفمبر 2026 في 12:15 م تمت كتابة ما يلي بواسطة \u202aIris\nVale\u202c\u200f <\u202ak7qzp3mwx2vtnd4c@in.bloom.example\u202c\u200f>:`,
  ],
  ["Japanese, Gmail", `2026年11月24日(火) 18:15 Iris Vale ${A}:`],
  ["Japanese, iPhone", `2026/11/24 18:15、Iris Vale ${A}のメール:`],
  ["Korean", `2026년 11월 24일 (화) 오후 6:15, Iris Vale ${A}님이 작성:`],
  ["Chinese, simplified", `Iris Vale ${A} 于2026年11月24日周二 17:15写道：`],
  ["Chinese, traditional", `Iris Vale ${A} 於 2026年11月24日 週二 下午5:15寫道：`],
  ["Chinese, NetEase", `在 2026-11-24 17:15:00，"Iris Vale" ${A} 写道：`],
  ["Vietnamese", `Vào Th 3, 24 thg 11, 2026 vào lúc 16:15 Iris Vale ${A} đã viết:`],
  ["Indonesian", `Pada tanggal Sel, 24 Nov 2026 pukul 16.15 Iris Vale ${A} menulis:`],
  ["Thai", `ในวันที่ อ. 24 พ.ย. 2026 เวลา 16:15 Iris Vale ${A} เขียนว่า:`],
  ["Mail.ru", `Вторник, 24 ноября 2026, 12:15 +03:00 от Ирис ${A}:`],
  ["Yandex", `24.11.2026, 12:15, "Ирис" ${A}:`],
  ["Lotus Notes", `-----Iris Vale ${A} wrote: -----`],
  ["NetEase in English", `At 2026-11-24 17:15:00, "Iris Vale" ${A} wrote:`],
  ["Zimbra", `----- On Nov 24, 2026, at 9:15 AM, Iris Vale iris@bloom.example wrote:`],
  ["Superhuman", `On Tue, Nov 24 2026 at 9:15 AM, Iris Vale < iris@bloom.example > wrote:`],
  ["Roundcube in German", `Am 24.11.2026 10:15, schrieb Iris Vale:`],
  ["mutt", `On Tue, Nov 24, 2026 at 09:15:00AM +0100, Iris Vale wrote:`],
  ["Evolution", `On Tue, 2026-11-24 at 09:15 +0000, Iris Vale wrote:`],
  ["KMail", `Am Dienstag, 24. November 2026, 10:15:00 CET schrieb Iris Vale:`],
  ["K-9", `Am 24. November 2026 10:15:00 MEZ schrieb Iris Vale ${A}:`],
  ["Catalan", `El dt., 24 de nov. 2026, 10:15, Iris Vale ${A} va escriure:`],
  ["Persian", `در تاریخ سه‌شنبه ۲۴ نوامبر 2026،‏ 12:45 Iris Vale ${A} نوشت:`],
  ["Bulgarian", `На вт, 24.11.2026 г. в 11:15 Iris Vale ${A} написа:`],
  ["Croatian", `uto, 24. stu 2026. u 10:15 Iris Vale ${A} napisao je:`],
  ["Slovak", `ut 24. 11. 2026 o 10:15 Iris Vale ${A} napísal(a):`],
  ["without an address", `On Nov 24, 2026, at 9:15 AM, Iris Vale wrote:`],
];
for (const [from, line] of ATTRIBUTIONS) {
  Deno.test(`withoutQuotes(): the line before a quote, ${from}`, () => {
    assertEquals(cut(`${ANSWER}\n\n${line}${QUOTED}\n`), ANSWER);
    assertEquals(cut(`${ANSWER}\n\n${line}${UNQUOTED}\n`), ANSWER, "without marks");
    assertEquals(cut(`${line}${QUOTED}\n\n${ANSWER}\n`), ANSWER, "with the answer below");
  });
}

const HEADERS: readonly (readonly [language: string, labels: readonly [string, string, string, string]])[] = [
  ["English", ["From", "Sent", "To", "Subject"]],
  ["German", ["Von", "Gesendet", "An", "Betreff"]],
  ["French", ["De", "Envoyé", "À", "Objet"]],
  ["Spanish, Outlook", ["De", "Enviado el", "Para", "Asunto"]],
  ["Spanish", ["De", "Enviado", "Para", "Asunto"]],
  ["Italian", ["Da", "Inviato", "A", "Oggetto"]],
  ["Portuguese", ["De", "Enviada em", "Para", "Assunto"]],
  ["Dutch", ["Van", "Verzonden", "Aan", "Onderwerp"]],
  ["Swedish", ["Från", "Skickat", "Till", "Ämne"]],
  ["Danish", ["Fra", "Sendt", "Til", "Emne"]],
  ["Finnish", ["Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"]],
  ["Polish", ["Od", "Wysłano", "Do", "Temat"]],
  ["Czech", ["Od", "Odesláno", "Komu", "Předmět"]],
  ["Russian", ["От", "Отправлено", "Кому", "Тема"]],
  ["Turkish", ["Kimden", "Gönderildi", "Kime", "Konu"]],
  ["Chinese, simplified", ["发件人", "发送时间", "收件人", "主题"]],
  ["Chinese, traditional", ["寄件者", "寄件日期", "收件者", "主旨"]],
  ["Japanese", ["差出人", "送信日時", "宛先", "件名"]],
  ["Korean", ["보낸 사람", "보낸 날짜", "받는 사람", "제목"]],
  ["Greek", ["Από", "Στάλθηκε", "Προς", "Θέμα"]],
  ["Hungarian", ["Feladó", "Elküldve", "Címzett", "Tárgy"]],
  ["Arabic", ["من", "تم الإرسال", "إلى", "الموضوع"]],
  ["Hebrew", ["מאת", "נשלח", "אל", "נושא"]],
];
for (const [language, [from, sent, to, subject]] of HEADERS) {
  Deno.test(`withoutQuotes(): the header above a quote, ${language}`, () => {
    const block = (star: string, colon: string, name: string) =>
      `${star}${from}${colon}${star} ${name}\n${star}${sent}${colon}${star} Tuesday, November 24, 2026 9:15 AM\n` +
      `${star}${to}${colon}${star} Mara Fern <mara@fern.example>\n${star}${subject}${colon}${star} Your seeds`;
    const signed = "Noon is fine.\n\nMara Fern\nGardener";
    assertEquals(cut(`${signed}\n\n${block("", ":", `Iris Vale ${A}`)}${UNQUOTED}`), signed);
    assertEquals(cut(`${signed}\n\n${block("*", ":", `Iris Vale ${A}`)}${UNQUOTED}`), signed, "in bold");
    const ruled = `${"_".repeat(32)}\n${block("", "\u00a0:", "Iris Vale")}`;
    assertEquals(cut(`${signed}\n\n${ruled}${UNQUOTED}`), signed, "below a rule");
  });
}

const SEPARATORS = [
  "-----Original Message-----",
  "----- Original Message -----",
  "-------- Original Message --------",
  "-----Ursprüngliche Nachricht-----",
  "-------- Ursprüngliche Nachricht --------",
  "-----Message d'origine-----",
  "-------- Message d’origine --------",
  "-----Mensaje original-----",
  "-----Mensagem original-----",
  "-----Messaggio originale-----",
  "-----Oorspronkelijk bericht-----",
  "-----Ursprungligt meddelande-----",
  "-----Oprindelig meddelelse-----",
  "-----Alkuperäinen viesti-----",
  "-----Исходное сообщение-----",
  "------------------ 原始邮件 ------------------",
  "------------------\u00a0原始邮件\u00a0------------------",
  "---------- Forwarded message ---------",
  "---------- Weitergeleitete Nachricht ----------",
  "Begin forwarded message:",
  "Anfang der weitergeleiteten Nachricht:",
  "Début du message transféré :",
  "---- Replied Message ----",
];
for (const line of SEPARATORS) {
  Deno.test(`withoutQuotes(): everything below ${line}`, () => {
    assertEquals(cut(`Noon is fine.\n\n${line}\nSubject: Your seeds\n\nHello Mara`), "Noon is fine.");
  });
}

const DEVICES = [
  "Sent from my iPhone",
  "Sent from my Galaxy",
  "Get Outlook for iOS<https://aka.ms/o0ukef>",
  "Get Outlook for Android",
  "Sent from Mail for Windows",
  "Sent from Yahoo Mail on Android",
  "Von meinem iPhone gesendet",
  "Gesendet von Mail für Windows 10",
  "Gesendet mit der GMX Mail App",
  "Outlook für iOS beziehen",
  "Envoyé de mon iPhone",
  "Envoyé à partir d’Outlook pour Android",
  "Enviado desde mi iPhone",
  "Enviado do meu iPhone",
  "Inviato da iPhone",
  "Verstuurd vanaf mijn iPhone",
  "Verzonden vanaf mijn Samsung",
  "Skickat från min iPhone",
  "Sendt fra min iPhone",
  "Lähetetty iPhonesta",
  "Wysłane z iPhone’a",
  "Odesláno z iPhonu",
  "Отправлено с iPhone",
  "Отправлено из мобильной Почты Mail.ru",
  "iPhone'umdan gönderildi",
  "Στάλθηκε από το iPhone μου",
  "发自我的iPhone",
  "从我的iPhone发送",
  "iPhoneから送信",
  "나의 iPhone에서 보냄",
  "تم الإرسال من الـ iPhone",
  "נשלח מה-iPhone שלי",
  "Sent with Proton Mail secure email.",
  "Đã gửi từ iPhone của tôi",
];
for (const line of DEVICES) {
  Deno.test(`withoutQuotes(): what a device writes: ${line}`, () => {
    assertEquals(
      cut(`Noon is fine.\n\n${line}\n\nOn 24 Nov 2026, at 09:15, Iris Vale ${A} wrote:${QUOTED}`),
      "Noon is fine.",
    );
    assertEquals(cut(`Noon is fine.\n\n${line}\n`), "Noon is fine.");
  });
}

const Q = QUOTED;
const CASES: readonly (readonly [what: string, text: string, answer: string])[] = [
  [
    "a journey is no header of a mail",
    "Please book me:\n\nFrom: Berlin\nTo: Munich\nDate: Friday\n\nThanks a lot, Mara",
    "Please book me:\n\nFrom: Berlin\nTo: Munich\nDate: Friday\n\nThanks a lot, Mara",
  ],
  [
    "a person tells what somebody wrote",
    "On Monday your colleague wrote:\nthe price is five.\nIs that right?",
    "On Monday your colleague wrote:\nthe price is five.\nIs that right?",
  ],
  [
    "a person tells what we wrote",
    "On 24 Nov 2026 at 09:15 you wrote:\nfive.\nIs that right?",
    "On 24 Nov 2026 at 09:15 you wrote:\nfive.\nIs that right?",
  ],
  [
    "times and an address are no attribution",
    "I can come at these times:\n- 24 Nov 2026 09:15\n- 25 Nov 2026 10:00\nwrite me at these:\nmara@fern.example",
    "I can come at these times:\n- 24 Nov 2026 09:15\n- 25 Nov 2026 10:00\nwrite me at these:\nmara@fern.example",
  ],
  [
    "a parcel that was sent from Berlin was sent by no device",
    "The parcel was\nsent from Berlin on Monday.",
    "The parcel was\nsent from Berlin on Monday.",
  ],
  ["a greeting stays", "Fine.\n\nCheers,\nMara", "Fine.\n\nCheers,\nMara"],
  [
    "a signature without dashes stays",
    "Fine.\n\nBest regards,\nMara Fern\n+1 202 555 0100",
    "Fine.\n\nBest regards,\nMara Fern\n+1 202 555 0100",
  ],
  ["a signature below dashes goes", "Fine.\n-- \nMara Fern", "Fine."],
  ["also where the blank after the dashes was lost", "Fine.\n\n--\nMara Fern\nGardener", "Fine."],
  [
    "an answer below the quote",
    `On 24 Nov 2026, at 09:15, Iris Vale ${A} wrote:\n> Hello Mara,\n> come at noon?\n\nYes.\n\nMara`,
    "Yes.\n\nMara",
  ],
  [
    "answers between quoted lines keep what they answer",
    `Hi Iris,\n\nOn 24 Nov 2026, at 09:15, Iris Vale ${A} wrote:\n> Noon?\nYes.\n> Friday?\nNo, Thursday.\n> Iris\n\nMara`,
    "Hi Iris,\n\n> Noon?\nYes.\n> Friday?\nNo, Thursday.\n> Iris\n\nMara",
  ],
  [
    "a quote in a quote",
    `Yes.\n\nOn 24 Nov 2026, at 09:15, Iris Vale ${A} wrote:\n> Noon?\n>\n> On 23 Nov 2026, at 10:00, Mara wrote:\n>> When?\n`,
    "Yes.",
  ],
  ["nothing but a quote", `On 24 Nov 2026, at 09:15, Iris Vale ${A} wrote:${Q}`, ""],
  ["a quote that nothing announces", `Yes.\n\n> Hello Mara\n> noon?`, "Yes."],
  [
    "dashes between choices are no signature",
    "Choose:\n--\nA\n--\nB\n--\nC and more lines follow\n".concat("x\n".repeat(20)).trim(),
    "Choose:\n--\nA\n--\nB\n--\nC and more lines follow\n".concat("x\n".repeat(20)).trim(),
  ],
  [
    "Yahoo indents, and marks nothing",
    ` Yes, Friday.\n\n    On Tuesday, November 24, 2026 at 09:15:00 AM GMT+1, Iris Vale ${A} wrote:  \n \n Hello Mara,\n \n your seeds.\n`,
    "Yes, Friday.",
  ],
  [
    "a colon alone announces no quote",
    "Here are my wishes:\n\nred roses\nwhite roses",
    "Here are my wishes:\n\nred roses\nwhite roses",
  ],
  [
    "nor one with a year before it",
    "My plans for 2026:\n\nred roses\nwhite roses",
    "My plans for 2026:\n\nred roses\nwhite roses",
  ],
  [
    "nor an appointment at the beginning",
    "Meeting 24 Nov 2026 10:00 with Bob <bob@fern.example>:\nbring cake",
    "Meeting 24 Nov 2026 10:00 with Bob <bob@fern.example>:\nbring cake",
  ],
];
for (const [what, text, answer] of CASES) {
  Deno.test(`withoutQuotes(): ${what}`, () => assertEquals(cut(text), answer));
}

Deno.test("withoutQuotes(): adds nothing, and keeps a text without marks of quotes whole", () => {
  const words = fc.array(fc.stringMatching(/^[a-zäöü ]{1,40}$/), { minLength: 1, maxLength: 30 });
  holds(
    fc.property(words, (lines) => {
      const text = lines.join("\n");
      const kept = cut(text).split("\n").filter((line) => line !== "");
      assertEquals(
        kept,
        lines.map((line, at) => at === 0 ? line.trim() : line.trimEnd()).filter((line) => line.trim() !== "")
          .map((line, at) => at === 0 ? line.trimStart() : line),
      );
    }),
    { cases: 500 },
  );
  const pieces = fc.constantFrom(
    "On Tue wrote:",
    "> a",
    ">",
    "",
    "-- ",
    "From: a",
    "Sent: b",
    "Subject: c",
    "x",
    "-----Original Message-----",
    "Sent from my iPhone",
  );
  holds(
    fc.property(fc.array(pieces, { maxLength: 40 }), (lines) => {
      const all = new Set(lines.map((line) => line.trim()));
      for (const line of cut(lines.join("\n")).split("\n")) assert(line === "" || all.has(line.trim()), line);
    }),
    { cases: 2000 },
  );
});
