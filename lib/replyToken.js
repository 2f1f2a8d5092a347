/**
 * A new token for a reply address, for scripts in CommonJS:
 *
 *   node -e "const { newReplyToken } = require('./lib/replyToken'); console.log(newReplyToken())"
 *
 * The same as `newReplyToken()` of `supabase/functions/_shared/mail/reply_token.ts`, which a test holds it to: 16 characters
 * of lower-case base32, 80 bits from the platform's CSPRNG, at least one digit, so that no word is mistaken for a token.
 */
"use strict";

const { randomBytes } = require("node:crypto");

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const LENGTH = 16;

/** @returns {string} */
function newReplyToken() {
  for (;;) {
    const token = Array.from(randomBytes(LENGTH), (byte) => ALPHABET[byte & 31]).join("");
    if (/[2-7]/.test(token)) return token;
  }
}

module.exports = { newReplyToken };
