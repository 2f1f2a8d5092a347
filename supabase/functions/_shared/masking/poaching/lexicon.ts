/**
 * What words mean for detection, in five languages: English, Spanish, French, Portuguese, German. A line of a
 * concept is one language or one subject; `*` ends a word that may go on; a phrase's words are joined by `_`.
 * Texts are folded, so nothing here has diacritics, and `l'agence` reads `l agence`.
 *
 * @module
 */
import type { Token } from "./tokens.ts";

const WORDS = {
  /** Other ways to write to each other. */
  social:
    `no_whats pelo_whats meu_whats seu_whats no_zap pelo_zap por_zap meu_zap seu_zap on_signal on_snap on_ig auf_signal uber_signal sur_signal sur_snap on_fb via_signal over_signal auf_snap por_signal en_signal no_face pelo_face my_ig whats_up_app
    whatsapp whats_app whatsap watsapp watsap wasap wassap guasap whatsup wpp wapp telegram instagram insta insta_gram snapchat
    snap_chat facebook face_book facebook_messenger tiktok tik_tok discord wechat we_chat viber skype facetime face_time imessage linkedin
    linked_in zapzap zap_zap telegramm threema messenger twitter watsapp google_meet insta gram whatsappen nextdoor next_door`,
  /** Names that are ordinary words too. */
  socialWeak: `signal snap zap zapi face ig fb f_b i_g line kik threads w_app wa`,
  payApp:
    `venmo zelle cashapp cash_app paypal pay_pal bizum lydia pix revolut mbway mb_way apple_pay google_pay gpay twint picpay pic_pay
    mercado_pago mercadopago nequi western_union bitcoin paylib satispay klarna payconiq sumeria wero interac e_transfer etransfer moneygram`,
  cash:
    `cash efectivo liquide especes dinheiro bargeld en_mano en_metalico bar bar_auf_die_hand auf_die_hand black en_negro au_noir
    de_la_main_a_la_main em_maos envelope check cheque enveloppe contado wire_transfer bank_transfer transferencia virement uberweisung vivo
    especie schwarz`,
  contact:
    `call text texts message msg write ring reach dm pm ping hit add find follow look_up look_me_up search chat talk catch contact buzz
    shoot_me hmu texting calling messaging drop_me slide
    llama* llamar llame escrib* agrega* busca buscame sigue* sigueme mandame hablame hablamos anade* contacta* pasame escribas marca* marcame
    appelle* appelez appeler ajoute* ecris ecrivez ecrire envoie* contacte* cherche* joindre retrouve* parle* textez suis_moi suivez
    liga ligue ligar chama chame chamar segue siga adiciona* manda fala fale falar procura procure escreve escreva contata add
    schreib* ruf rufen anruf* anrufen meld* adde* folg* such erreich* kontaktier* erreichbar`,
  switch:
    `switch move lets_use use lets better easier instead rather faster prefer over_on same_name im_on i_am_on you_can_find quicker simpler
    hop jump continue keep_talking
    mejor por_ahi vamos pasamos cambi* prefiero seguimos estoy mas_facil mas_rapido uso tengo_un
    on_passe passe passons plutot prefere plus_simple bascul* mieux je_suis continuons plus_rapide plus_facile
    melhor vamos prefiro mais_facil estou passar uso tenho mais_rapido continuar
    lieber besser wechsel* nutz* einfacher schneller bin lass_uns weiter`,
  me: `m
    me us mi mir mich uns moi mim migo comigo conmigo nous nos pra_mim`,
  my: `my mine our mi mis mio mon ma mes meu minha mein meine meinen meiner meinem`,
  your: `your ur tu tus su sus votre vos ton ta teu tua seu sua dein deine deinen deiner ihre ihr ihren`,
  ask:
    `drop drop_your gimme hmu_with pass_me dejame me_dejas me_mandas me_envias me_donnes file_ton balance_ton manda_teu passa_teu schick_deine nenn_mir verrat_mir
    whats what_is give_me send_me can_i_have could_i_have may_i_have can_i_get could_you_give share shoot_me drop_me need id_like do_you_have
    me_das dame pasame me_pasas cual_es tienes mandame me_puede_dar puedo_tener me_da
    donne* file_moi tu_me_donnes passe_moi envoie_moi puis_je_avoir je_peux_avoir quel_est c_est_quoi as_tu tu_as avez_vous
    me_passa me_da qual_e me_manda passa_me pode_me_dar me_envia tem
    gib_mir gibst_du_mir schick_mir wie_ist kann_ich kann_ich_haben darf_ich wie_lautet hast_du haben_sie geben_sie_mir`,
  phone: `number cell phone mobile digits phone_number telephone cellphone landline
    numero celular movil telefono cel fijo tel
    numero portable telephone num fixe
    numero celular telemovel telefone fone contato
    nummer handy handynummer telefon telefonnummer rufnummer mobilnummer festnetz`,
  mailbox:
    `email e_mail mail gmail hotmail correo courriel e_mail_adresse mail_adresse mailadresse emailadresse inbox adresse_mail`,
  provider:
    `gmail googlemail google_mail hotmail outlook yahoo icloud protonmail proton_mail gmx aol ymail web_de hotmail_com`,
  official:
    `office front_desk support team vet vets clinic emergency hospital police groomer poison_control neighbour neighbor neighbours neighbors
    insurance hotline helpline shelter pharmacy plumber locksmith doorman concierge manager landlord reception
    oficina veterinari* clinica emergencia emergencias hospital policia recepcion urgencias conserje vecin* peluqueria
    bureau veterinaire clinique urgence urgences hopital accueil gardien voisin* pompiers toiletteur
    escritorio clinica emergencia recepcao porteiro vizinh* hospital
    buro tierarzt tierarztin tierklinik notfall notruf rezeption hausmeister nachbar* praxis zentrale klinik`,
  org: `app site platform company agency website business firm them middleman here system
    empresa agencia aplicacion plataforma pagina sitio app ellos
    agence appli application plateforme societe entreprise site
    aplicativo empresa agencia plataforma site app eles
    agentur firma plattform vermittlung app seite webseite portal`,
  bypass:
    `dont_need do_not_need no_need_for didnt_use dont_use not_using stop_using stop_booking quit_using dont_book dont_go_through no_usar no_usamos dejar_de_usar no_hace_falta no_necesitamos pas_besoin_de plus_besoin_de arreter_d_utiliser nao_precisa_do nao_precisamos_do parar_de_usar brauchen_keine brauchen_die_app_nicht nicht_mehr_uber beyond separately_from
    evite evites evitons evitez evitamos evitem no_need_to_involve not_involving leave_out_of saltamos nos_saltamos pasando_de pasamos_de umgehe umgeht
    dont_tell do_not_tell wont_tell no_le_digas no_se_lo_digas no_le_cuentes no_les_digas ne_dites_rien ne_dis_rien sans_le_dire nao_conta nao_conte
    nao_contar nao_diga nao_fala sag_nichts nichts_sagen nichts_davon
    without skip skipping outside off bypass around avoid avoiding cut_out leave_out not_through not_via no_need_to_go_through
    instead_of_through forget not_use behind
    sin fuera saltar saltarnos saltamos evitar por_fuera al_margen
    sans hors en_dehors contourner eviter dehors
    sem fora por_fora pular evitar
    ohne ausserhalb umgehen vorbei aussen_vor nicht_uber statt_uber`,
  bypassed:
    `through_them without_them sin_ellos sans_eux sem_eles ohne_die cut_out_the_middleman skip_the_middleman ohne_vermittlung
    cut_the_middleman middlemen no_middleman sans_intermediaire sin_intermediarios sem_intermediario* ohne_mittelsmann ohne_zwischenhandler`,
  deal:
    `working sitting_for abmach* ausmach* abklar* vereinbar* clean cleaning cleanings lesson lessons teach tutor drive driving trabajar limpi* clases nettoy* cours limpo limpar aulas putz* reinig* unterricht*
    book booking book_me pay payment arrange set_up set_things_up hire watch walk walks visit visits charge cost costs deal do_it sit sitting
    continue work move talk chat settle schedule organize organise handle keep_going take_this take_it stay do_this do_these communicate speak
    price rate job jobs look_after care_for drop_in
    contrat* cobr* arregl* reserv* precio trato cuid* pag* acordar acuerdo organiza* hacemos paseos pasear hablar seguimos
    arranger payer reserv* tarif prix gard* faire organis* promen* convenir parler travailler continuer
    combin* contrat* acert* fech* pag* preco passei* acordo marcar fazer conversar
    buch* mach* zahl* bezahl* preis verein* regeln absprech* betreu* organisier* treff* schreib* klar*`,
  /** Less than what the business takes. */
  undercut:
    `half id_charge i_charge i_only_charge id_only_charge i_would_charge id_do_it_for i_can_do_it_for i_do_it_for double overcharge overcharges overcharging
    la_mitad yo_cobro te_cobro cobro_menos el_doble la_moitie je_prends_moins je_demande le_double a_metade eu_cobro cobro_menos o_dobro
    die_halfte ich_nehme_nur ich_verlange_nur das_doppelte`,
  /** Between two alone. */
  privately:
    `privat privately private en_prive en_privado particular in_private between_us between_ourselves entre_nosotros entre_tu_y_yo entre_nous entre_a_gente
    entre_nos unter_uns just_us tu_y_yo`,
  /** To take somebody on. */
  hire:
    `hire_me engagier* einstell* anheuer* work_for_us working_for_us work_for_me working_for_me trabajar_para trabajas_para travailler_pour trabalhar_para trabalha_para arbeiten_fur arbeitest_fur come_work
    hire hiring employ engage contratar contratarte contratarme contratarla contratarlo contratame embaucher engager anstellen einstellen beauftragen
    contratar_voce te_contratar me_contratar me_contrata t_embaucher`,
  book:
    `book booking hire hiring contract contratame contratar contrata reserva* reservame contrate engager embaucher reserver reservez buch*
    combina combine combinar vereinbar* beauftrag* pay`,
  pay:
    `hazme_un hacer_un haz_un hago_un te_hago faz faco fazer je_te_fais te_faire fais_moi faire_un mach_mir schick send sending
    pay paying paid tip venmo send_it transfer owe
    paga* pagar pague pagas pago
    payer payez paie paye regler reglez payes verser
    paga pague pagar faz_um pagamento
    zahl* bezahl* uberweis* geben`,
  direct: `direct directly privately in_private one_on_one person_to_person straight
    directo directamente directa en_privado particular
    direct directement en_prive prive
    direto diretamente particular por_fora
    direkt privat unter_uns`,
  side:
    `private_work private_jobs private_job private_basis private_arrangement private_customers private_bookings private_lessons cash_jobs moonlight moonlighting clientes_privados clientes_propios paseos_privados clases_particulares en_mi_tiempo_libre clients_prives clients_a_moi cours_particuliers sur_mon_temps_libre clientes_meus aulas_particulares nas_horas_vagas privatstunden private_kunden in_meiner_freizeit eigene_kunden
    on_the_side private_walk private_walks private_clients private_sitting privately freelance independent my_own_clients own_business off_the_books
    under_the_table side_gig my_own_business on_my_own
    por_mi_cuenta cuenta_propia clientes_privados por_fuera bajo_cuerda en_negro independiente
    a_mon_compte en_independant au_noir au_black sous_la_table en_freelance
    por_conta_propria por_minha_conta autonom* clientes_particulares por_debaixo
    nebenbei schwarz auf_eigene_rechnung selbststandig unter_der_hand privatkund* auf_eigene_faust`,
  fee:
    `fee fees commission percentage middleman percent service_charge booking_fee their_cut a_cut big_cut markup
    comision comisiones tarifa_de_servicio porcentaje
    commission commissions frais pourcentage
    comissao taxa taxas porcentagem
    gebuhr* provision prozent kommission servicegebuhr*`,
  save: `save saves saving avoid skip without keep_all keep_more take takes cheaper less no lower
    ahorr* evit* sin quita* quedan menos barato
    economis* evit* sans prend prennent moins
    economiz* evit* sem fica ficam menos cobra
    spar* ohne nimmt nehmen behalt* weniger`,
  cheap:
    `knock_off knock half less_than_what cheaper_rate mitad_de_precio moitie_prix metade_do_preco halber_preis nachlass
    for_less por_menos pour_moins fur_weniger mas_a_cuenta mais_em_conta sai_mais un_prix precio_especial sonderpreis guter_preis buen_precio bom_preco bon_prix you_save youd_save
    cheaper discount lower_price less_money better_price better_rate save_money instead_of lower_rate half_price
    mas_barato mas_economico descuento menos
    moins_cher remise reduction
    mais_barato desconto menos
    billiger gunstiger rabatt weniger`,
  cancel: `cancel cancelling canceling cancela* annul* storn* absag*`,
  anyway:
    `anyway regardless still come come_anyway direct directly rebook re_book privately later_directly igual igualmente voy vengo quand_meme viens
    mesmo_assim vou venho trotzdem komme dann_privat`,
  leave:
    `leaving quitting quit resigning i_left leave_the dejo dejare voy_a_dejar salgo renuncio je_quitte quitter vou_sair saindo deixar
    verlasse kundige hore_auf aufhore wechsle`,
  keep:
    `keep_your keep_walking keep_sitting keep_watching keep_taking keep_coming keep_looking keep_on still_walk still_watch can_still keep_caring
    keep_visiting keep_working stay_with_you come_with_me
    seguir_cuidando seguir_paseando puedo_seguir sigo_cuidando seguir_viniendo seguir_con
    continuer_a continuer_de peux_continuer je_peux_garder garder_votre garder_ton
    continuar_cuidando continuar_passeando posso_continuar continuo_cuidando continuar_com
    weiter_betreuen weiter_ausfuhren weiterhin weitermachen weiter_mit weiterbetreuen`,
  nextTime:
    `next_time from_now_on in_the_future going_forward in_future la_proxima proxima_vez a_partir_de_ahora de_ahora_en_adelante
    la_prochaine prochaine_fois desormais a_l_avenir da_proxima proxima daqui_pra_frente a_partir_de_agora nachstes_mal ab_jetzt in_zukunft
    kunftig beim_nachsten`,
  place: `on under left wrote written inside behind fridge note sticker taped in_the jar drawer counter
    deje escrib* nota nevera pegado en
    ecrit laisse frigo sur note
    deixei escrevi geladeira bilhete
    zettel kuhlschrank geschrieben liegt steht gelegt`,
  card:
    `my_card business_card my_business_card mi_tarjeta tarjeta_de_visita ma_carte carte_de_visite meu_cartao cartao_de_visita visitenkarte meine_karte
    my_flyer mon_contact my_contact my_contacts my_contact_info my_info my_details mis_datos mi_contacto meu_contato mes_coordonnees
    meine_kontaktdaten mein_kontakt`,
  qr: `qr qr_code qrcode codigo_qr code_qr`,
  own:
    `mis minhas mes prices rates tarif* preise precios precos agend* instead meu minhas nuestra notre unsere
    my mine me our book website site webpage homepage own here_is mi mon meu mein meine minha ma reserv* buch* besuch* visit`,
  half:
    `first_half second_half other_half first_part second_part last_part first_three last_four last_two last_digits last_three first_six last_seven
    the_rest_is rest_of_it ends_with ending_in ends_in starts_with begins_with start_with begin_with end_with area_code prefix
    primera_mitad segunda_mitad primera_parte segunda_parte los_ultimos termina_en empieza_con el_resto
    premiere_moitie deuxieme_moitie debut fin_du les_derniers commence_par finit_par la_suite
    primeira_metade segunda_metade primeira_parte os_ultimos termina_com comeca_com o_resto
    erste_halfte zweite_halfte vorwahl endet_auf die_letzten fangt_mit der_rest`,
  never:
    `dont do_not never cannot cant not_allowed arent_allowed against must_not please_use wont policy mustnt shouldnt refuse declined wasnt isnt
    no_me no_puedo no_puedes no_se_puede nunca jamas prohibido no_aceptamos no_acepto
    ne jamais interdit pas_le_droit
    nao nunca jamais proibido
    nicht nie niemals keine kein verboten`,
  inApp:
    `in_the_app through_the_app via_the_app on_the_app in_app using_the_app from_the_app inside_the_app on_the_site on_the_website through_the_site
    through_the_office through_the_company with_the_company in_the_portal through_the_portal over_the_app by_the_app to_the_app
    en_la_app por_la_app en_la_aplicacion a_traves_de_la_app desde_la_app por_la_aplicacion de_la_app con_la_empresa
    dans_l_appli par_l_appli dans_l_application via_l_appli sur_l_appli via_l_application par_l_application a_l_agence avec_l_agence
    no_app pelo_app no_aplicativo pelo_aplicativo dentro_do_app com_a_empresa
    in_der_app uber_die_app per_app via_app in_die_app uber_die_agentur uber_die_plattform`,
  im: `im i_am i_use ive_got i_have estoy tengo soy je_suis j_ai sou estou tenho bin ich_bin hab habe`,
  offer:
    `works work fine best accept accepts take takes ok_for_me good cool okay also easier friends_and_family hit
    acepto acepta sirve vale listo
    accepte ca_marche possible
    aceito aceita serve funciona
    geht nehme passt akzeptiere`,
} as const;

export type Concept = keyof typeof WORDS;

/** A concept in a text, by the tokens that say it. */
export interface Hit {
  readonly concept: Concept;
  readonly first: number;
  readonly last: number;
}

const EXACT = new Map<string, Set<Concept>>();
const PREFIXES = new Map<string, Set<Concept>>();
let longestPhrase = 1;
for (const concept of Object.keys(WORDS) as Concept[]) {
  for (const entry of WORDS[concept].split(/\s/)) {
    if (entry === "") continue;
    const [map, key] = entry.endsWith("*") ? [PREFIXES, entry.slice(0, -1)] : [EXACT, entry];
    map.set(key, (map.get(key) ?? new Set()).add(concept));
    longestPhrase = Math.max(longestPhrase, entry.split("_").length);
  }
}
const LONGEST_PREFIX = Math.max(...[...PREFIXES.keys()].map((key) => key.length));

/**
 * Every concept of a text, in order of its first token. A phrase may have marks between its words, but is read
 * over at most {@linkcode longestPhrase} tokens, so the cost is linear.
 */
export function conceptsOf(tokens: readonly Token[]): Hit[] {
  const hits: Hit[] = [];
  for (let first = 0; first < tokens.length; first++) {
    if (tokens[first].kind !== "word") continue;
    let phrase = "";
    for (let last = first; last < tokens.length && last < first + longestPhrase; last++) {
      const { kind, text } = tokens[last];
      if (kind !== "word") {
        if (text === "-") continue;
        break;
      }
      phrase += phrase === "" ? text : `_${text}`;
      for (const concept of EXACT.get(phrase) ?? []) hits.push({ concept, first, last });
    }
    const word = tokens[first].text;
    for (let length = Math.min(word.length, LONGEST_PREFIX); length >= 3; length--) {
      for (const concept of PREFIXES.get(word.slice(0, length)) ?? []) {
        hits.push({ concept, first, last: first });
      }
    }
  }
  return hits;
}

/** Whether a word belongs to a concept by itself. */
export const isWordOf = (concept: Concept, word: string): boolean => EXACT.get(word)?.has(concept) ?? false;
