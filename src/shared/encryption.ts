import { fromBase64, sha256, toBase64, toHex } from "./bytes";

/** A key of the deployment: 32 bytes in base64, and the id by which ciphertexts name it. */
export interface EncryptionKey {
  id: string;
  base64: string;
}

/** An encrypted text: the key's id, a colon, then IV and ciphertext in base64. */
export interface Encrypted {
  encrypted: string;
}

/** A text as it is stored: plaintext if it was written without a key. */
export type StoredText = string | Encrypted;

/** An error that says why a text cannot be decrypted. The message contains no secret. */
export class DecryptionError extends Error {
  override readonly name = "DecryptionError";
}

const IV_BYTES = 12;
const encoder = new TextEncoder();

/**
 * Encrypts texts with AES-256-GCM. The first key encrypts, every key decrypts; without keys texts stay
 * plaintext. A ciphertext is bound to its place, such as a session and a variable's name, and cannot be
 * decrypted for another place.
 */
export class Encryption {
  keys: readonly EncryptionKey[];
  readonly #imported = new WeakMap<EncryptionKey, CryptoKey>();

  constructor(keys: readonly EncryptionKey[]) {
    this.keys = keys;
  }

  async encrypt(text: string, place: readonly string[]): Promise<StoredText> {
    const [key] = this.keys;
    if (!key) return text;
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const algorithm = algorithmOf(iv, place);
    const ciphertext = await crypto.subtle.encrypt(
      algorithm,
      await this.#import(key),
      encoder.encode(text),
    );
    const bytes = new Uint8Array(IV_BYTES + ciphertext.byteLength);
    bytes.set(iv);
    bytes.set(new Uint8Array(ciphertext), IV_BYTES);
    return { encrypted: `${key.id}:${toBase64(bytes)}` };
  }

  /** Decrypts a text. Rejects with a `DecryptionError` if its key is missing or if it belongs to another place. */
  async decrypt(stored: StoredText, place: readonly string[]): Promise<string> {
    if (typeof stored === "string") return stored;
    const id = keyIdOf(stored);
    const key = this.keys.find((known) => known.id === id);
    if (!key) throw new DecryptionError(`ENCRYPTION_KEYS has no key "${id}"`);
    try {
      const bytes = fromBase64(stored.encrypted.slice(id.length + 1));
      const algorithm = algorithmOf(bytes.subarray(0, IV_BYTES), place);
      const ciphertext = bytes.subarray(IV_BYTES);
      const imported = await this.#import(key);
      return new TextDecoder().decode(await crypto.subtle.decrypt(algorithm, imported, ciphertext));
    } catch {
      throw new DecryptionError(`the key "${id}" does not fit`);
    }
  }

  /**
   * Returns a hash of a text as 64 hex digits. With a key, it can't be computed without the first one: the text can't be
   * guessed from the hash.
   */
  async digest(text: string): Promise<string> {
    const [key] = this.keys;
    if (!key) return toHex(await sha256(text));
    const hmac = { name: "HMAC", hash: "SHA-256" };
    const secret = await crypto.subtle.importKey("raw", fromBase64(key.base64), hmac, false, [
      "sign",
    ]);
    return toHex(new Uint8Array(await crypto.subtle.sign("HMAC", secret, encoder.encode(text))));
  }

  /**
   * Returns whether a text is stored as it would be stored now: under the first key, or as plaintext if there
   * are no keys.
   */
  isCurrent(stored: StoredText): boolean {
    const [key] = this.keys;
    if (!key) return true;
    return typeof stored === "object" && keyIdOf(stored) === key.id;
  }

  /** Caches the key itself and not its promise, because a promise belongs to the request that created it. */
  async #import(key: EncryptionKey): Promise<CryptoKey> {
    const known = this.#imported.get(key);
    if (known) return known;
    const bytes = fromBase64(key.base64);
    const imported = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, [
      "encrypt",
      "decrypt",
    ]);
    this.#imported.set(key, imported);
    return imported;
  }
}

const keyIdOf = ({ encrypted }: Encrypted): string => encrypted.slice(0, encrypted.indexOf(":"));

// JSON separates the parts of a place.
const algorithmOf = (iv: Uint8Array<ArrayBuffer>, place: readonly string[]) => ({
  name: "AES-GCM",
  iv,
  additionalData: encoder.encode(JSON.stringify(place)),
});
