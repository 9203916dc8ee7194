import { render } from "preact";
import { useState } from "preact/hooks";
import type { Me } from "../client/rigger.ts";
import {
  identify,
  isOnline,
  may,
  me,
  openShared,
  refusal,
  sharedSession,
  signIn,
  signOut,
  theme,
} from "./api.ts";
import { NewSession } from "./new-session.tsx";
import { Overview, seesOverview } from "./overview/overview.tsx";
import { change, parameters, parts } from "./route.ts";
import { SessionPage } from "./session.tsx";
import { Sessions } from "./sessions.tsx";
import { Loading, Title } from "./ui.tsx";

function App() {
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the content
      </button>
      <Head />
      {!isOnline.value && (
        <p class="banner" role="status">
          You are offline. What you see is as it was; it goes on when the network is back.
        </p>
      )}
      <main id="main" tabIndex={-1}>
        {me.value === undefined ? <Loading what="Rigger" /> : <Content key={callerOf(me.value)} />}
      </main>
    </>
  );
}

/** Returns what tells callers apart: what was loaded for one is not shown to another. */
const callerOf = (caller: Me | null): string =>
  caller ? [caller.via, caller.owner, caller.key?.id].join(" ") : "";

function Content() {
  if (me.value === null) return <SignIn />;
  const [first, second] = parts.value;
  const only = sharedSession.value;
  if (only !== null) return <SessionPage id={only} key={only} />;
  if (first === undefined) return <Sessions />;
  if (first === "sessions" && second) return <SessionPage id={second} key={second} />;
  if (first === "overview") return <Overview />;
  if (first === "new") return <NewSession />;
  return (
    <>
      <Title>Not found</Title>
      <p>
        There is no such page. <a href="#/">All sessions</a>
      </p>
    </>
  );
}

function Head() {
  const caller = me.value;
  const [first = ""] = parts.value;
  const link = (path: string, name: string) => (
    <a href={`#/${path}`} aria-current={first === path ? "page" : undefined}>
      {name}
    </a>
  );
  return (
    <header class="head">
      <a class="brand" href="#/">
        <img src="/icon.svg" alt="" width="24" height="24" />
        Rigger
      </a>
      {caller && sharedSession.value === null && (
        <nav aria-label="Pages">
          {link("", "Sessions")}
          {seesOverview() && link("overview", "Overview")}
          {may("sessions:write") && link("new", "New session")}
          <a href="/docs">API</a>
        </nav>
      )}
      <div class="who">
        <ThemeChoice />
        {caller && (
          <span class="owner">{caller.via === "share" ? "Shared with you" : caller.owner}</span>
        )}
        {caller && (caller.via === "key" || caller.via === "secret" || caller.via === "share") && (
          <button type="button" class="plain" onClick={signOut}>
            Sign out
          </button>
        )}
      </div>
    </header>
  );
}

const ThemeChoice = () => (
  <label class="theme">
    <span class="hidden">Theme</span>
    <select
      value={theme.value}
      onChange={({ currentTarget }) => {
        theme.value = currentTarget.value as "system";
      }}
    >
      <option value="system">System</option>
      <option value="light">Light</option>
      <option value="dark">Dark</option>
    </select>
  </label>
);

function SignIn() {
  const [key, setKey] = useState("");
  const [keep, setKeep] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    await signIn(key.trim(), keep);
    setBusy(false);
  };
  return (
    <form class="sign-in card" onSubmit={(event) => void submit(event)}>
      <Title>Sign in</Title>
      {refusal.value !== null && (
        <p class="problem" role="alert">
          {refusal.value}
        </p>
      )}
      <div class="field">
        <label for="key">API key</label>
        <input
          id="key"
          type="password"
          autocomplete="current-password"
          required
          value={key}
          onInput={({ currentTarget }) => setKey(currentTarget.value)}
        />
        <p class="hint">It stays in this browser and is sent to this deployment only.</p>
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={keep}
          onChange={({ currentTarget }) => setKeep(currentTarget.checked)}
        />
        Keep me signed in on this computer
      </label>
      <div class="actions">
        <button type="submit" class="main" disabled={isBusy} aria-busy={isBusy}>
          Sign in
        </button>
        <button type="button" onClick={() => void identify()}>
          Try again
        </button>
      </div>
      <p class="hint">
        If the deployment is behind Cloudflare Access, you are signed in without a key. A share link
        signs you in for its session.
      </p>
    </form>
  );
}

/** Takes the token of a share link out of the address, where others could read it, and signs in with it. */
async function begin(): Promise<boolean> {
  const [first, session] = parts.value;
  const token = parameters.value.get("token");
  if (first !== "sessions" || !session || !token) return false;
  change({ token: "" });
  await openShared(token, session);
  return true;
}

render(<App />, document.getElementById("app") as HTMLElement);
void begin().then((isShared) => (isShared ? undefined : identify()));
addEventListener("hashchange", () => void begin());
