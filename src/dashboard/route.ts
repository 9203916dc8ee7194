import { computed, signal } from "@preact/signals";

// Where the reader is: the part of the address after `#`. It is not sent to servers, so it may have tokens.

/** The address after `#`: `/sessions/sess_1?tab=events`. */
const place = signal(current());

/** The path, as its parts. */
export const parts = computed(() => (place.value.split("?")[0] ?? "").split("/").filter(Boolean));
/** The parameters. */
export const parameters = computed(() => new URLSearchParams(place.value.split("?")[1] ?? ""));

/** Goes to another place. */
export function go(path: string): void {
  location.hash = path;
}

/** Changes parameters of this place. Those that are empty are removed; the step back leads to the place before. */
export function change(changes: Record<string, string>): void {
  const next = new URLSearchParams(parameters.peek());
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") next.delete(name);
    else next.set(name, value);
  }
  const query = next.size > 0 ? `?${next}` : "";
  history.replaceState(null, "", `#/${parts.peek().join("/")}${query}`);
  place.value = current();
}

function current(): string {
  return location.hash.slice(1) || "/";
}

addEventListener("hashchange", () => {
  place.value = current();
});
