/**
 * Numbers that are something else: times, dates, prices, weights, doses, addresses, orders, codes. Pure.
 *
 * Failure policy: what a label explains is only lowered, not let pass, if it has the shape of a whole phone
 * number: `order 415 555 0134` is logged.
 *
 * @module
 */
import type { Token } from "./tokens.ts";

const set = (words: string): ReadonlySet<string> => new Set(words.split(/\s+/).filter((word) => word !== ""));

const UNITS = set(
  `am pm a p uhr h hs hrs hr hour hours heure heures hora horas std stunde stunden oclock min mins minute minutes minuto minutos
  minuten sec secs seconds segundos sekunden day days dia dias jour jours tag tage tagen week weeks semana semanas semaine semaines woche wochen
  month months mes meses mois monat monate year years yr yrs old anos ans jahre jahr lb lbs pound pounds oz kg kgs kilo kilos g gr gram grams
  gramm mg ml l cl dl ltr cup cups taza tazas tasse tasses xicara xicaras tassen spoon spoons tbsp tsp scoop scoops pill pills tablets tabletten
  comprimidos drops gotas gouttes tropfen km kms mi mile miles milla millas m cm mm ft feet inch inches meters metres metros metres steps pasos pas
  passos schritte degrees grad grados graus f c percent prozent usd eur euro euros dollar dollars bucks reais pesos pounds quid cents x times veces
  fois vezes mal treats poops pees walks visits dogs cats cans bags nights noches nuits noites nachte st nd rd th er ere eme ieme photos pics pages`,
);
const CURRENCY = set("$ € £ ¥ ₽ ₹");
const STREET_AFTER = set(
  `street st str ave avenue road rd lane ln drive dr boulevard blvd court ct way place pl plaza terrace square sq circle
  highway hwy close crescent parkway strasse weg platz allee gasse ring`,
);
const STREET_BEFORE = set(
  `calle avenida av avda paseo plaza carrera carretera rua travessa alameda rue boulevard bd chemin impasse quai place allee
  route strasse str weg platz allee apartment apt unit suite ste room rm floor fl level building bldg block blk flat spot space lot row gate
  terminal apartamento depto dpto piso puerta portal bloque bloco apto andar sala numero_de casa etage appartement appt batiment bat stock wohnung
  klingel etage hausnummer aisle elevator line bus route platform seat
  tur aufgang linha linea ligne km highway exit nr no`,
);
const STREET_ENDINGS = ["strasse", "straat", "gasse", "allee", "platz", "weg", "damm", "ufer"];
const LABELS = set(
  `zip zipcode postcode postal cep cp plz postleitzahl sn assurance assuranc contrat seguro contrato versicherung order invoice confirmation tracking ref reference booking reservation ticket case flight chip microchip isbn policy insurance
  licence license tag serial account model sku lot batch rx prescription parcel package shipment claim member membership receipt transaction
  code codes pin gate alarm wifi password passcode lockbox keypad garage combo combination safe login id vin barcode upc permit registration train
  pedido factura reserva seguimiento paquete envio vuelo poliza clave contrasena codigo alarma candado microchip tarjeta matricula tren recibo
  commande facture suivi colis vol dossier police digicode alarme passe boitier puce recu train
  encomenda fatura rastreio rastreamento voo apolice senha alarme protocolo placa trem recibo
  bestellung rechnung buchung sendung sendungsnummer paket flug vorgang vertrag versicherung passwort schlusselbox schlussel tor pin zahlencode
  chipnummer auftrag bestellnummer rechnungsnummer kundennummer vorgangsnummer zug kennzeichen tresor wlan buchungsnummer model fahrgestellnummer
  score distance steps total sum balance temp temperature weighs weight bpm pressure temperatura temperature gewicht wiegt pesa pese poids peso`,
);

/** German writes label and number as one word: `Versicherungsnummer`. */
const LABEL_ENDING = /(?:nummer|code|pin|kennung|nr)$/;
const PHONE_LABELS = set(
  "nummer handynummer telefonnummer rufnummer mobilnummer festnetznummer privatnummer",
);
const isLabel = (word: string) =>
  LABELS.has(word) || word.length > 8 && LABEL_ENDING.test(word) && !PHONE_LABELS.has(word);

/** What a number is besides a phone number. */
export type Explained = "measure" | "label" | undefined;

/** For each token that is a number: what explains it. Linear: each looks at a bounded number of neighbours. */
export function explainNumbers(tokens: readonly Token[]): Explained[] {
  const explained: Explained[] = new Array(tokens.length);
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i].kind === "number") explained[i] ??= measureAt(tokens, i, explained) ? "measure" : undefined;
  }
  labelled(tokens, explained);
  return explained;
}

const glued = (token: Token | undefined, text: string) =>
  token !== undefined && token.glued && token.text === text;
const numberAt = (tokens: readonly Token[], i: number) =>
  tokens[i]?.kind === "number" ? tokens[i].text : undefined;

/** Marks the number at `i`, and what belongs to it, if it is a time, date, price, quantity or place. */
function measureAt(tokens: readonly Token[], i: number, explained: Explained[]): boolean {
  const { text } = tokens[i], before = tokens[i - 1], next = tokens[i + 1], third = tokens[i + 2];
  const value = Number(text);
  const joined = next?.glued && third?.glued && third.kind === "number" ? next.text : undefined;
  const unitAfter = (at: number) => {
    const unit = tokens[at];
    if (unit === undefined) return false;
    if (CURRENCY.has(unit.text) || unit.text === "%" || unit.text === "°" || unit.text === '"') return true;
    return unit.kind === "word" && UNITS.has(unit.text);
  };
  // Whether a mark and something else go on right behind: five/0/2/six is no date.
  const chained = (at: number, mark: string) =>
    glued(tokens[at], mark) && tokens[at + 1]?.glued && tokens[at + 1].kind !== "mark";
  const startsChain = !(tokens[i].glued && before !== undefined && before.glued && before.kind === "mark" &&
    before.text === joined);
  if (before !== undefined && CURRENCY.has(before.text) && text.length <= 6) {
    if (joined === "." || joined === ",") explained[i + 2] = "measure";
    return true;
  }
  // A time: 9:30, 9h30, 18.30 Uhr.
  if (
    joined !== undefined && startsChain && text.length <= 2 && third!.text.length === 2 && value <= 24 &&
    Number(third!.text) < 60
  ) {
    if ((joined === ":" || joined === "h") && !chained(i + 3, joined) || joined === "." && unitAfter(i + 3)) {
      explained[i + 2] = "measure";
      return true;
    }
  }
  if (joined !== undefined && startsChain && isDate(tokens, i, joined, explained)) return true;
  // A decimal number: 2.4 miles, 22.50.
  if (
    (joined === "." || joined === ",") && startsChain && third!.text.length <= 2 && text.length <= 4 &&
    !chained(i + 3, joined)
  ) {
    if (third!.text.length === 1 || unitAfter(i + 3) || tokens[i + 3]?.kind !== "number") {
      explained[i + 2] = "measure";
      return true;
    }
  }
  if (
    joined === "/" && startsChain && text.length === 1 && third!.text.length === 1 && !chained(i + 3, "/")
  ) {
    explained[i + 2] = "measure";
    return true;
  }
  if (text.length <= 5 && unitAfter(i + 1) && !(next!.text === "x" && !next!.glued)) return true;
  // The first of a range: 4-6 pm.
  if (
    text.length <= 3 && (next?.text === "-" || next?.text === "to") && third?.kind === "number" &&
    unitAfter(i + 3)
  ) return true;
  return text.length <= 6 && isPlace(tokens, i);
}

/** Day and month, with or without a year, or a date with the year first. Marks all of its numbers. */
function isDate(tokens: readonly Token[], i: number, mark: string, explained: Explained[]): boolean {
  if (mark !== "/" && mark !== "." && mark !== "-") return false;
  const parts = [i];
  while (parts.length < 5) {
    const last = parts[parts.length - 1];
    if (
      !glued(tokens[last + 1], mark) || !tokens[last + 2]?.glued || numberAt(tokens, last + 2) === undefined
    ) break;
    parts.push(last + 2);
  }
  const after = parts[parts.length - 1] + 1;
  if (glued(tokens[after], mark) && tokens[after + 1]?.glued && tokens[after + 1].kind !== "mark") {
    return false;
  }
  const texts = parts.map((part) => tokens[part].text), values = texts.map(Number);
  const small = (at: number, most: number) => texts[at].length <= 2 && values[at] >= 1 && values[at] <= most;
  const isDay = (a: number, b: number) =>
    small(a, 31) && small(b, 31) && Math.min(values[a], values[b]) <= 12;
  const year = (at: number) => /^(19|20)?\d\d$/.test(texts[at]);
  const fits = texts.length === 2
    ? mark !== "-" && isDay(0, 1)
    : texts.length === 3 && (isDay(0, 1) && year(2) || /^(19|20)\d\d$/.test(texts[0]) && isDay(1, 2));
  if (fits) { for (const part of parts) explained[part] = "measure"; }
  return fits;
}

/** A house number, a postal code, a floor or a parking spot. */
function isPlace(tokens: readonly Token[], i: number): boolean {
  // A number that goes on is none of a place: "the house, 020 7946 0321".
  const next = tokens[i + 1]?.kind === "number"
    ? tokens[i + 1]
    : tokens[i + 1]?.text === "-"
    ? tokens[i + 2]
    : undefined;
  if (next?.kind === "number" && tokens[i].text.length + next.text.length >= 7) return false;
  for (let at = i + 1, words = 0; at < tokens.length && words < 3; at++) {
    if (tokens[at].kind !== "word") break;
    if (STREET_AFTER.has(tokens[at].text)) return true;
    words++;
  }
  for (let at = i - 1, words = 0; at >= 0 && at >= i - 5 && words < 4; at--) {
    const { kind, text } = tokens[at];
    if (kind === "number") break;
    if (kind === "mark" && ".!?;\n".includes(text) && words > 0) break;
    if (kind !== "word") continue;
    words++;
    if (STREET_BEFORE.has(text) && (words === 1 || !SHORT_REACH.has(text))) return true;
    if (text.length > 5 && STREET_ENDINGS.some((ending) => text.endsWith(ending))) return true;
  }
  return false;
}
/** Labels that say what the number right behind them is, and nothing of a later one. */
const SHORT_REACH = set(
  "no nr line space row place route km house st str fl unit level gate spot platform seat",
);

/** How far a label reaches, in tokens. */
const REACH = 9;
/** Words that end a label's reach: what follows is a phone number again. */
const BREAKS = set(
  `call text phone cell mobile number whatsapp reach ring me my msg movil celular llama llamame telefono portable appelle appelez moi
  telephone liga ligue telefone telemovel handy ruf rufen anrufen telefon handynummer mich`,
);
/** `area code` and `country code` name parts of a phone number. */
const NOT_BEFORE_CODE = set("area country dialing dial calling");

function labelled(tokens: readonly Token[], explained: Explained[]): void {
  let until = -1, ended = 0;
  for (let i = 0; i < tokens.length; i++) {
    const { kind, text } = tokens[i];
    if (kind === "word") {
      if (isLabel(text) && !(text === "code" && NOT_BEFORE_CODE.has(tokens[i - 1]?.text ?? ""))) {
        until = i + REACH, ended = 0;
      } else if (BREAKS.has(text)) {
        // "order number", "numero de pedido": the word belongs to the label beside it.
        const beside = isLabel(tokens[i - 1]?.text ?? "") || isLabel(tokens[i + 1]?.text ?? "") ||
          isLabel(tokens[i + 2]?.text ?? "");
        if (!beside) until = -1;
      }
    } else if (
      kind === "mark" &&
      (text === "!" || text === "?" || text === ";" || text === "." && !tokens[i + 1]?.glued)
    ) {
      if (ended++ > 0 || text !== ".") until = -1;
    } else if (kind === "number" && i <= until) {
      explained[i] ??= "label";
      // The rest of the same number, however long.
      until = Math.max(until, i + 4);
    }
  }
}
