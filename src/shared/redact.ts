/** Takes secrets out of a text that others will read. */
export type Redact = (text: string) => string;

/** A shorter one could be any word, and is no secret. */
const MIN_CHARACTERS = 8;

/** Returns a function that puts `[redacted]` in the place of each of the secrets, as text, in JSON and in a URL. */
export function redactor(secrets: readonly string[]): Redact {
  const forms = secrets
    .filter((secret) => secret.length >= MIN_CHARACTERS)
    .flatMap((secret) => [
      secret,
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret.toWellFormed()),
    ])
    // One that holds another one goes first, or a part of it would stay.
    .sort((a, b) => b.length - a.length);
  const distinct = [...new Set(forms)];
  return (text) => distinct.reduce((rest, form) => rest.replaceAll(form, "[redacted]"), text);
}
