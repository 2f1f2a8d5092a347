/**
 * What the tests of delivery share: a certificate of our own making.
 *
 * @module
 */

/** Concatenates bytes. */
function join(...parts: (Uint8Array | number[])[]) {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** One DER element: tag, length, content. */
function der(tag: number, ...content: (Uint8Array | number[])[]) {
  const bytes = join(...content);
  const size = bytes.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
  return join([tag, ...length], bytes);
}

const sequence = (...content: (Uint8Array | number[])[]) => der(0x30, ...content);
const ascii = (text: string) => new TextEncoder().encode(text);
const integer = (bytes: Uint8Array) => der(0x02, bytes[0] & 0x80 ? join([0], bytes) : bytes);

function pem(label: string, bytes: ArrayBuffer | Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return `-----BEGIN ${label}-----\n${base64.replace(/.{64}/g, "$&\n")}\n-----END ${label}-----\n`;
}

/** A self-signed certificate for one DNS name, ECDSA on P-256, valid from 2020 to 2049, and its key. PEM. */
export async function selfSigned(name: string): Promise<{ cert: string; key: string }> {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const algorithm = sequence(der(0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])); // ecdsa-with-SHA256
  const commonName = sequence(der(0x31, sequence(der(0x06, [0x55, 0x04, 0x03]), der(0x0c, ascii(name)))));
  const alternativeName = sequence(
    der(0x06, [0x55, 0x1d, 0x11]),
    der(0x04, sequence(der(0x82, ascii(name)))),
  );
  const body = sequence(
    der(0xa0, der(0x02, [2])), // version 3
    der(0x02, [1]), // serial number
    algorithm,
    commonName,
    sequence(der(0x17, ascii("200101000000Z")), der(0x17, ascii("491231235959Z"))),
    commonName,
    new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey)),
    der(0xa3, sequence(alternativeName)),
  );
  const raw = new Uint8Array(
    await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, body),
  );
  const positive = (bytes: Uint8Array) => integer(bytes.subarray(bytes.findIndex((byte) => byte !== 0)));
  const signature = sequence(positive(raw.subarray(0, 32)), positive(raw.subarray(32)));
  return {
    cert: pem("CERTIFICATE", sequence(body, algorithm, der(0x03, [0], signature))),
    key: pem("PRIVATE KEY", await crypto.subtle.exportKey("pkcs8", pair.privateKey)),
  };
}
