import type { ComponentChildren, JSX } from "preact";
import { Component } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { relative } from "../shared/readable.ts";
import { messageOf, now } from "./api.ts";
import { exact } from "./format.ts";

// Parts that pages are made of.

/** The tone of a status: what needs somebody, what works, what went wrong. */
export type Tone = "good" | "busy" | "wait" | "bad" | "quiet";

const TONES: Record<string, Tone> = {
  ...{ active: "good", running: "busy", initializing: "busy", queued: "quiet", waiting: "wait" },
  ...{ idle: "quiet", completed: "quiet", terminated: "quiet", interrupted: "quiet" },
  ...{
    error: "bad",
    failed: "bad",
    pending: "wait",
    requested: "wait",
    allowed: "good",
    denied: "bad",
  },
  ...{ expired: "quiet", cancelled: "quiet", paused: "wait", delivered: "good" },
};

/** The heading of a page, which names the tab. It gets the focus: whoever listens hears where they are. */
export function Title({ children }: { children: string }) {
  const ref = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // Not from somebody who has begun to type.
    if (document.activeElement === document.body) ref.current?.focus();
  }, []);
  useEffect(() => {
    document.title = `${children} · Rigger`;
  }, [children]);
  return (
    <h1 ref={ref} tabIndex={-1}>
      {children}
    </h1>
  );
}

/** A status as a word with a dot. */
export const Status = ({ of, tone = TONES[of] ?? "quiet" }: { of: string; tone?: Tone }) => (
  <span class={`status ${tone}`}>{of}</span>
);

/** An instant, as it is from now. The exact time is shown on hover, and read to those who listen. */
export const When = ({ at }: { at: string }) => (
  <time dateTime={at} title={exact(at)}>
    {relative(at, now.value)}
  </time>
);

/** What is shown while something is loaded. */
export const Loading = ({ what }: { what: string }) => (
  <p class="note loading" role="status">
    Loading {what}…
  </p>
);

/** What is shown where there is nothing. */
export const Empty = ({ title, children }: { title: string; children?: ComponentChildren }) => (
  <div class="empty">
    <p class="empty-title">{title}</p>
    {children}
  </div>
);

/** What is shown when something could not be done, with what can be done about it. */
export const Problem = ({ error, retry }: { error: unknown; retry?: () => void }) => (
  <div class="problem" role="alert">
    <p>{messageOf(error)}</p>
    {retry && (
      <button type="button" onClick={retry}>
        Try again
      </button>
    )}
  </div>
);

/** How much of a limit is used. Without a limit there is nothing to show. */
export function Gauge({ name, used, max }: { name: string; used: number; max: number | null }) {
  if (max === null) return null;
  // Of a limit of nothing, all is used.
  const part = max > 0 ? Math.min(1, used / max) : 1;
  const percent = Math.round(part * 100);
  return (
    <meter
      class={part >= 1 ? "gauge bad" : part >= 0.8 ? "gauge wait" : "gauge"}
      aria-label={`${name}: ${percent} % of the limit`}
      title={`${percent} %`}
      min={0}
      max={1}
      value={part}
    />
  );
}

interface ActionProps
  extends Omit<JSX.IntrinsicElements["button"], "class" | "onClick" | "ref" | "size"> {
  run(): Promise<unknown>;
  kind?: "main" | "danger" | "more";
  size?: "small";
  disabled?: boolean;
}

/** A button that does something which takes time. It says what went wrong. */
export function Action({ run, kind, size, disabled = false, children, ...rest }: ActionProps) {
  const [state, setState] = useState<{ isBusy: boolean; error?: unknown }>({ isBusy: false });
  const id = useId();
  const act = async () => {
    setState({ isBusy: true });
    try {
      await run();
      setState({ isBusy: false });
    } catch (error) {
      setState({ isBusy: false, error });
    }
  };
  return (
    <>
      <button
        {...rest}
        type="button"
        class={[kind, size].filter(Boolean).join(" ")}
        disabled={disabled || state.isBusy}
        aria-busy={state.isBusy}
        aria-describedby={state.error ? id : undefined}
        onClick={() => void act()}
      >
        {children}
      </button>
      {state.error !== undefined && (
        <span id={id} class="inline-problem" role="alert">
          {messageOf(state.error)}
        </span>
      )}
    </>
  );
}

interface DialogProps {
  title: string;
  isWide?: boolean;
  close(): void;
  children: ComponentChildren;
}

/** A dialog. The browser keeps the focus in it, and gives it back. */
export function Dialog({ title, isWide = false, close, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    ref.current?.showModal();
  }, []);
  return (
    <dialog ref={ref} class={isWide ? "wide" : undefined} aria-labelledby={id} onClose={close}>
      <header class="dialog-head">
        <h2 id={id}>{title}</h2>
        <button type="button" class="plain" aria-label="Close" onClick={() => ref.current?.close()}>
          ✕
        </button>
      </header>
      {children}
    </dialog>
  );
}

interface FormDialogProps {
  title: string;
  close(): void;
  save(): Promise<void>;
  children: ComponentChildren;
}

/** A dialog with a form. It closes once `save` has succeeded, and shows why if it has not. */
export function FormDialog({ title, close, save, children }: FormDialogProps) {
  const [error, setError] = useState<unknown>(undefined);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    try {
      await save();
      close();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={title} close={close}>
      <form onSubmit={(event) => void submit(event as unknown as SubmitEvent)}>
        {error !== undefined && (
          <p class="problem" role="alert">
            {messageOf(error)}
          </p>
        )}
        {children}
        <div class="actions">
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" class="main">
            Save
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface FieldProps {
  label: string;
  hint?: string;
  children: (id: string, hintId: string | undefined) => ComponentChildren;
}

/** A field with its label. */
export function Field({ label, hint, children }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(id, hint ? `${id}-hint` : undefined)}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** A text that can be copied. */
export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1_500);
  };
  // Browsers have it on pages with TLS, and on this computer.
  if (!("clipboard" in navigator)) return null;
  return (
    <>
      <button type="button" class="plain small" onClick={() => void copy()}>
        {isCopied ? "Copied" : label}
      </button>
      <span class="hidden" role="status">
        {isCopied && "Copied"}
      </span>
    </>
  );
}

/**
 * A value that is changed in place, and its revision. Components compare what they are given, so each that shows such a value
 * is given its revision too.
 */
export interface Shown<T> {
  of: T;
  rev: number;
}

interface OnceProps<T> extends Shown<T> {
  view: (props: Shown<T>) => JSX.Element | null;
}

/** Shows a value that is changed in place, anew only if its revision has changed. */
export class Once<T> extends Component<OnceProps<T>> {
  override shouldComponentUpdate(next: OnceProps<T>): boolean {
    return next.of !== this.props.of || next.rev !== this.props.rev;
  }
  override render({ of, rev, view: View }: OnceProps<T>) {
    return <View of={of} rev={rev} />;
  }
}

/** Loads something when `key` changes, and again every so many ms. */
export function useLoaded<T>(load: () => Promise<T>, key: string, everyMs?: number) {
  const [state, setState] = useState<{ key: string; value?: T; error?: unknown }>({ key: "" });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let isCurrent = true;
    const run = async () => {
      try {
        const value = await load();
        if (isCurrent) setState({ key, value });
      } catch (error) {
        // What was loaded before stays, with the reason why it is old.
        if (isCurrent) setState((old) => (old.key === key ? { ...old, error } : { key, error }));
      }
    };
    void run();
    const timer = everyMs && setInterval(() => !document.hidden && void run(), everyMs);
    return () => {
      isCurrent = false;
      if (timer) clearInterval(timer);
    };
  }, [key, turn, everyMs]);
  const isCurrent = state.key === key;
  return {
    value: isCurrent ? state.value : undefined,
    error: isCurrent ? state.error : undefined,
    again: () => setTurn((n) => n + 1),
  };
}

/** A page of a list. */
interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/** Loads the first page of a list when `key` or `rev` changes, and further ones when `more` is called. */
export function usePages<T>(load: (cursor?: string) => Promise<Page<T>>, key: string, rev: number) {
  const first = useLoaded(() => load(), key);
  const shown = useRef(rev);
  useEffect(() => {
    if (shown.current === rev) return;
    shown.current = rev;
    // What is shown stays until the new page is there.
    first.again();
  }, [rev]);
  const [later, setLater] = useState<{ after: Page<T> | undefined; page: Page<T> } | null>(null);
  // What was loaded after another first page is old.
  const page = later && later.after === first.value ? later.page : first.value;
  const cursor = page?.nextCursor ?? null;
  const more = async () => {
    if (cursor === null || !page) return;
    const next = await load(cursor);
    const items = [...page.items, ...next.items];
    setLater({ after: first.value, page: { items, nextCursor: next.nextCursor } });
  };
  return {
    items: page?.items,
    error: first.error,
    again: first.again,
    /** Loads the next page; undefined if there is none. */
    more: cursor === null ? undefined : more,
  };
}
