/** Replaces secrets in a text. */
export type Redact = (text: string) => string;

/** A shorter text could be an ordinary word, and is not treated as a secret. */
const MIN_CHARACTERS = 8;

/** The secrets of keys, share links and previews that the API has made: they are known by their form alone. */
const SECRET_BY_FORM =
  /r(?:k_[0-9a-f]{20}|s_[0-9a-f]{32})_[0-9a-f]{48}|(?<![0-9a-f])[0-9a-f]{62}(?![0-9a-f])/g;

/**
 * Returns a function that replaces each of the secrets by `[redacted]`, as plain text, in JSON and in a URL, and with
 * them those of clients' keys, share links and previews.
 */
export function redactor(secrets: readonly string[]): Redact {
  const forms = secrets
    .filter((secret) => secret.length >= MIN_CHARACTERS)
    .flatMap((secret) => [
      secret,
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret.toWellFormed()),
    ])
    // Longest first: a secret that contains another one must be replaced before it, or a part of it would
    // remain.
    .sort((a, b) => b.length - a.length);
  const distinct = [...new Set(forms)];
  return (text) =>
    distinct
      .reduce((rest, form) => rest.replaceAll(form, "[redacted]"), text)
      .replace(SECRET_BY_FORM, "[redacted]");
}
