/**
 * How urgent a mail is, by rules: marks of monitoring systems, words for outages in five languages, and signs that nothing is
 * to be done. Pure.
 *
 * Where no rule says anything the answer is null, which is shown as nothing. Rules look at subjects and at the beginning of
 * texts; both are folded first: lower case, without accents.
 *
 * @module
 */
import type { AnalysedMail, Urgency } from "./types.ts";

/** Most characters that are looked at. */
const LOOKED_AT = 2000;

/** Lower case, without accents, with single spaces. */
export function folded(text: string): string {
  return text.slice(0, LOOKED_AT * 2).normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()
    .replace(/[\u2018\u2019\u02bc]/g, "'").replaceAll("ß", "ss").replace(/\s+/g, " ").trim().slice(
      0,
      LOOKED_AT,
    );
}

/** A folded text as words between single spaces, so that phrases can be looked for. */
function worded(text: string): string {
  return ` ${text.replace(/[^a-z0-9%']+/g, " ")} `;
}

/** Whether one of the phrases stands in words. */
function has(worded: string, phrases: readonly string[]): boolean {
  return phrases.some((phrase) => worded.includes(phrase));
}

/** Phrases, comma-separated, by language. */
function words(...lists: readonly string[]): string[] {
  return [...new Set(lists.flatMap((list) => list.split(",")).map((phrase) => ` ${phrase.trim()} `))]
    .filter((phrase) => phrase.trim() !== "");
}

/** What monitoring systems write at the beginning of a subject once it is over. */
const OVER =
  /^(?:(?:re|fwd?|aw|wg): ?)?[[(*# ]{0,3}(?:resolved|recovered|recovery|ok|up|cleared|closed|fixed|solved|back to normal)\b|\bis (?:up|back|ok|resolved) ?(?:again)?$|\bback to normal\b|\bfalse alarm\b/;
/** …and while it is not. */
const FIRING =
  /(?:^|[[(*# ])(?:firing|problem|alert|alarm|triggered|critical|crit|down|emergency|sev-?[01]|p[01])(?=[\])*:# ]|$)/;
const WARNING = /(?:^|[[(*# ])(?:warning|warn|minor|sev-?[23]|p[23])(?=[\])*:# ]|$)/;
const MILD = /severity[ =:"]{1,4}(?:warning|minor|info)/;
const STATE_DOWN =
  /\bis (?:down|critical|unreachable|offline)\b|\bstate[ =:]{1,3}(?:down|critical)\b|severity[ =:"]{1,4}(?:critical|page|disaster)/;

/** Nothing works, for somebody who depends on it. */
const OUTAGE = words(
  "is down,are down,went down,goes down,been down,down for,down since,outage,outages,offline,nothing works,nothing is working,stopped working," +
    "not working at all,completely broken,unreachable,cannot be reached,service unavailable,answer 500,answer 502,answer 503,answers 500,error 500,error 502,error 503,error 504,http 500,http 502,http 503,returns 500,returns 502,returns 503," +
    "returning 500,returning 502,returning 503,production is broken,all requests fail,every request fails,requests are failing,payments failing,payments are failing,payments declined," +
    "system is down,crash loop,data loss,lost all,no longer reachable,timing out for everyone,cannot take orders,can't take orders,nobody can log in,everyone is locked out",
  "no funciona nada,nada funciona,todo caido,esta caido,esta caida,se cayo,caida total,caida del servicio,fuera de servicio,no responde,sin servicio," +
    "no carga nada,ninguna peticion,fallan todos,fallan todas,nadie puede entrar,perdiendo ventas,perdemos ventas,interrupcion del servicio",
  "plus rien ne marche,rien ne marche,rien ne fonctionne,ne fonctionne plus,ne marche plus,en panne,hors service,hors ligne,panne generale,panne totale," +
    "ne repond plus,inaccessible,injoignable,plus aucun,tout est bloque,personne ne peut se connecter",
  "fora do ar,nada funciona,nada esta funcionando,parou de funcionar,caiu tudo,caiu o sistema,sistema caiu,sem servico,indisponivel,nao responde,ninguem consegue entrar," +
    "ninguem consegue acessar,queda do servico,totalmente parado,perdendo vendas",
  "ausfall,totalausfall,nichts geht mehr,gar nichts mehr,geht nichts mehr,funktioniert nichts,nichts funktioniert,nicht erreichbar,ausgefallen,offline," +
    "steht still,stillstand,antwortet nicht mehr,lauft nicht mehr,laeuft nicht mehr,niemand kann sich anmelden,keine bestellungen",
);
/** How bad: many people, money, production, now. */
const GRAVE = words(
  "all,everything,every,everyone,nobody,production,prod,customers,patients,orders,checkout,checkouts,payments,losing money,losing sales,lose money,call us,wake,right now,immediately,urgent,emergency,minutes,whole company,entire,nothing works,100 %",
  "todo,todos,todas,nada,nadie,clientes,ventas,pedidos,pagos,urgente,produccion,inmediatamente,ahora mismo,perdiendo,minutos",
  "tout,tous,toutes,rien,personne,clients,ventes,commandes,paiement,paiements,urgent,production,immediatement,tout de suite,minutes,aucun",
  "tudo,todos,todas,nada,ninguem,clientes,vendas,pedidos,pagamentos,urgente,producao,imediatamente,agora mesmo,minutos,sistema",
  "alle,alles,nichts,niemand,kunden,bestellungen,zahlungen,dringend,sofort,produktion,minuten,umgehend,komplett,totalausfall",
);
const SECURITY = words(
  "hacked,breach,data leak,data breach,leaked,compromised,unauthorized,unauthorised,intruder,phishing,ransomware,malware,vulnerability,xss,sql injection,stolen,someone else logged in,did not do this,suspicious login,failed admin logins,another customer's,of another customer,exposed",
  "hackeado,hackeada,hackearon,intruso,filtracion,filtrado,vulnerabilidad,acceso no autorizado,robado,suplantacion,datos de otro",
  "pirate,piratage,piratee,intrusion,fuite de donnees,vulnerabilite,faille,acces non autorise,compromis,vole,hameconnage,donnees d'un autre",
  "hackeado,hackeada,invadida,invadido,invasao,vazamento,vulnerabilidade,acesso nao autorizado,roubado,golpe,dados de outro",
  "gehackt,datenleck,sicherheitslucke,schwachstelle,kompromittiert,unbefugt,unbefugter,unbefugte,gestohlen,fremder zugriff,eingebrochen,daten anderer",
);
const SECURITY_NOW = words(
  "i was hacked,been hacked,was hacked,ransomware,did not do this,block it,please block,right now,logged in from,changed my password,encrypted",
  "me han hackeado,me hackearon,bloqueen,ahora mismo,cambiaron mi contrasena",
  "ete pirate,bloquez,tout de suite,change mon mot de passe",
  "fui hackeado,invadiram,bloqueiem,agora,mudaram minha senha",
  "wurde gehackt,sofort sperren,bitte sperren,passwort geandert,passwort geaendert",
);
const PRESSING = words(
  "urgent,urgently,as soon as possible,immediately,right away,deadline,before noon,within the hour,in an hour,demo today,today at,by tonight,blocked,locked out,cannot wait,can't wait,third time,third mail,still waiting,escalate,lawyer,chargeback," +
    "charged twice,double charged,overcharged,wrong amount,wrong amounts,refund,unacceptable,expires in,about to expire,lost data,loses rows,wrong invoice",
  "urgente,urgentemente,cuanto antes,inmediatamente,bloqueado,bloqueada,bloqueados,hoy mismo,plazo,reembolso,cobrado dos veces,cobro doble,doble cobro,inaceptable,tercera vez,abogado,denuncia,me han cobrado",
  "urgent,urgente,d'urgence,au plus vite,immediatement,bloque,bloques,bloquee,aujourd'hui meme,delai,remboursement,debite deux fois,preleve deux fois,inadmissible,inacceptable,troisieme fois,avocat,mise en demeure",
  "urgente,urgencia,imediatamente,o quanto antes,bloqueado,bloqueada,bloqueados,hoje mesmo,prazo,reembolso,cobrado duas vezes,cobranca duplicada,cobraram,inaceitavel,terceira vez,advogado,procon",
  "dringend,eilig,eilt,umgehend,sofort,unverzuglich,gesperrt,heute noch,frist,ruckerstattung,ruckzahlung,doppelt abgebucht,falsch abgebucht,inakzeptabel,zum dritten mal,anwalt,mahnung,bis heute",
);
/** Takes the haste away. */
const CALM = words(
  "no action needed,no action required,no action is needed,no rush,not urgent,no hurry,planned maintenance,scheduled maintenance,whenever you,no need to,for your information,webinar,newsletter,unsubscribe,0 errors,success,succeeded,completed successfully",
  "sin prisa,no es urgente,no corre prisa,mantenimiento programado,mantenimiento planificado,no es necesaria,boletin,cuando puedan,cuando podais",
  "sans urgence,pas urgent,rien d'urgent,maintenance planifiee,maintenance programmee,aucune action,quand vous aurez,lettre d'information,infolettre",
  "sem pressa,nao e urgente,manutencao programada,manutencao planejada,nenhuma acao,quando puderem,boletim",
  "nicht dringend,keine eile,eilt nicht,geplante wartung,wartungsarbeiten,kein handlungsbedarf,keine aktion,wenn sie zeit haben,newsletter,rundbrief",
);
const QUESTION =
  /^(?:how|what|where|when|which|can|could|do|does|is there|como|que|donde|cual|cuando|comment|quel|quelle|ou|quand|est-ce|qual|onde|quando|wie|was|wo|wann|welche|konnen|gibt)\b[^.!]{0,200}\?$/;
const AWAY = words(
  "out of office,out of the office,away from my desk,on vacation,on annual leave,on parental leave",
  "fuera de la oficina,estoy de vacaciones,de vacaciones hasta",
  "absent jusqu'au,en conge jusqu'au,absent du bureau",
  "fora do escritorio,estou de ferias,de ferias ate",
  "nicht im buro,im urlaub,abwesend bis,abwesenheitsnotiz",
);

/** How urgent a mail is; null if no rule says so. */
export function urgencyByRules(mail: AnalysedMail): Urgency | null {
  const subject = folded(mail.subject), text = folded(mail.text);
  const whole = worded(`${subject} ${text}`), calm = has(whole, CALM);
  if (OVER.test(subject)) return "low";
  if (FIRING.test(subject) || STATE_DOWN.test(subject)) {
    if (calm) return "low";
    return WARNING.test(subject) || MILD.test(text) ? "high" : "critical";
  }
  if (mail.kind === "bounce" || mail.kind === "auto_reply" || has(worded(subject), AWAY)) return "low";
  if (mail.automatic && has(worded(text.slice(0, 300)), AWAY)) return "low";
  if (QUESTION.test(text) && text.length < 250 && !has(worded(subject), OUTAGE)) return null;
  if (calm) return "low";
  if (has(whole, OUTAGE)) return has(whole, GRAVE) ? "critical" : "high";
  if (has(whole, SECURITY)) return has(whole, SECURITY_NOW) ? "critical" : "high";
  if (WARNING.test(subject)) return "high";
  return has(whole, PRESSING) ? "high" : null;
}
