/**
 * Tokens of reply addresses. A token locates a message; it authenticates nobody, since it stands in every quote and Cc.
 *
 * @module
 */
import { randomToken } from "../crypto/tokens.ts";

/** A new token: 16 characters of lower-case base32, 80 bits from the platform's CSPRNG. */
export const newReplyToken: () => string = randomToken;

/** Whether a text has the form of a token, in lower case. */
export { isToken as isReplyToken } from "../crypto/tokens.ts";
