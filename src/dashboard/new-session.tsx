import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { RiggerError } from "../client/rigger.ts";
import { may, me, messageOf, rigger } from "./api.ts";
import { EXAMPLES, type Example } from "./examples.ts";
import { Area, type FieldsProps, Part, Text } from "./fields.tsx";
import { Agent, Limits, OtherTools, Patterns, Workspace } from "./new-session-parts.tsx";
import { go } from "./route.ts";
import { Scrollable } from "./scrollable.tsx";
import {
  EMPTY_FORM,
  type FormField,
  fieldOf,
  type Problems,
  readForm,
  type SessionForm,
  withoutSecrets,
} from "./session-form.ts";
import { curlOf, typescriptOf } from "./snippets.ts";
import { Copy, Empty, Title } from "./ui.tsx";

export function NewSession() {
  if (may("sessions:write")) return <Form />;
  return (
    <>
      <Title>New session</Title>
      <Empty title="Your key can't create sessions.">
        <p>
          It needs the scope <code>sessions:write</code>.
        </p>
      </Empty>
    </>
  );
}

/** The form of a new session, with examples, and the same request as code. */
function Form() {
  const { form, set, fill, state, submit } = useForm();
  const box = useRef<HTMLFormElement>(null);
  useEffect(() => {
    // Whoever has sent the form is led to the first thing that is wrong.
    const wrong = box.current?.querySelector<HTMLElement>("[aria-invalid=true]");
    if (state.attempts === 0 || !wrong) return;
    const part = wrong.closest("details");
    if (part) part.open = true;
    wrong.focus();
  }, [state.attempts, state.problems]);
  const fields = { form, set, problems: state.problems };
  return (
    <>
      <div class="title">
        <Title>New session</Title>
      </div>
      <Examples current={form} fill={fill} />
      <div class="new">
        <form
          ref={box}
          noValidate
          aria-label="New session"
          onSubmit={(event) => {
            event.preventDefault();
            void submit();
          }}
        >
          <Patterns {...fields} />
          <div class="card">
            <Area
              {...fields}
              name="prompt"
              label="Prompt"
              rows={7}
              hint="Empty: the session waits for its first message."
            />
            <Text
              {...fields}
              name="description"
              label="Description"
              hint="What lists show, and what search finds."
            />
            <div class="pair">
              <Text {...fields} name="tags" label="Tags" hint="With commas between them." />
              <Text {...fields} name="userId" label="User" hint="The id of a user of your app." />
            </div>
          </div>
          <Limits {...fields} />
          <Agent {...fields} />
          <Workspace {...fields} />
          <OtherTools {...fields} />
          <Part title="More" isOpen={form.config !== ""}>
            <Area
              {...fields}
              name="config"
              label="Other fields of config, as JSON"
              rows={8}
              isCode
              hint="Such as customAgents, outputSchema, env, sandbox or thinking."
            />
          </Part>
          <Failure state={state} />
          <div class="actions">
            <button type="submit" class="main" disabled={state.isBusy} aria-busy={state.isBusy}>
              {state.isBusy
                ? "Creating…"
                : form.prompt.trim() === ""
                  ? "Create session"
                  : "Create session and send"}
            </button>
            <button type="button" class="plain" disabled={state.isBusy} onClick={() => fill({})}>
              Clear
            </button>
          </div>
        </form>
        <Snippets form={form} />
      </div>
    </>
  );
}

interface FormState {
  isBusy: boolean;
  attempts: number;
  problems: Problems;
  /** What is wrong with no field of the form. */
  others: string[];
  /** The session, if it was created and its message was refused. */
  createdId: string | null;
}

const FRESH: FormState = { isBusy: false, attempts: 0, problems: {}, others: [], createdId: null };

function useForm() {
  const [form, setForm] = useState(EMPTY_FORM);
  const [state, setState] = useState(FRESH);
  const isBusy = useRef(false);
  const keys = useRef(new Map<string, string>());

  const set: FieldsProps["set"] = (name, value) => {
    setForm((old) => ({ ...old, [name]: value }));
    setState((old) => ({ ...old, problems: { ...old.problems, [name]: undefined } }));
  };
  const fill = (changes: Partial<SessionForm>) => {
    setForm({ ...EMPTY_FORM, ...changes });
    setState(FRESH);
  };
  /** Returns the same key for the same request: sent again, it creates nothing new. */
  const keyOf = (request: unknown): string => {
    const text = JSON.stringify(request);
    const key = keys.current.get(text) ?? crypto.randomUUID();
    keys.current.set(text, key);
    return key;
  };
  const submit = async () => {
    const { session, problems } = readForm(form);
    const attempts = state.attempts + 1;
    if (Object.keys(problems).length > 0) return setState({ ...FRESH, attempts, problems });
    // A second click may come before the button is shown as disabled.
    if (isBusy.current) return;
    isBusy.current = true;
    setState({ ...FRESH, attempts, isBusy: true });
    let createdId: string | null = null;
    try {
      const { id } = await rigger.create(session, { idempotencyKey: keyOf(session) });
      createdId = id;
      const prompt = form.prompt.trim();
      if (prompt !== "") {
        const body = { prompt, background: true };
        const idempotencyKey = keyOf([id, body]);
        await rigger.post("/api/sessions/{id}/message", { path: { id }, body, idempotencyKey });
      }
      go(`/sessions/${id}`);
    } catch (error) {
      setState({ ...FRESH, attempts, createdId, ...issuesOf(error) });
    } finally {
      isBusy.current = false;
    }
  };
  return { form, set, fill, state, submit };
}

/** Returns what is wrong, by the fields of the form. */
function issuesOf(error: unknown): { problems: Problems; others: string[] } {
  const issues = error instanceof RiggerError ? error.details.issues : undefined;
  if (!Array.isArray(issues) || issues.length === 0)
    return { problems: {}, others: [messageOf(error)] };
  const problems: Problems = {};
  const others: string[] = [];
  for (const { path, message } of issues as { path: string; message: string }[]) {
    const field = fieldOf(path);
    if (field === undefined) others.push(path ? `${path}: ${message}` : message);
    else if (problems[field] === undefined)
      problems[field] = path === field ? message : `${path}: ${message}`;
  }
  return { problems, others };
}

const Failure = ({ state }: { state: FormState }) => {
  const count = Object.values(state.problems).filter((problem) => problem !== undefined).length;
  if (count === 0 && state.others.length === 0) return null;
  return (
    <div class="problem" role="alert">
      {count > 0 && (
        <p>{count === 1 ? "One field is not valid." : `${count} fields are not valid.`}</p>
      )}
      {state.others.map((text) => (
        <p key={text}>{text}</p>
      ))}
      {state.createdId !== null && (
        <p>
          The session was created, its message was not sent.{" "}
          <a href={`#/sessions/${state.createdId}`}>Open the session</a>
        </p>
      )}
    </div>
  );
};

const Examples = ({
  current,
  fill,
}: {
  current: SessionForm;
  fill(form: Partial<SessionForm>): void;
}) => (
  <section class="examples" aria-labelledby="examples">
    <h2 id="examples">Start from an example</h2>
    <p class="hint">
      Each fills the form. Lines that begin with <code>/</code> are the script of the offline model;
      Claude needs the words alone.
    </p>
    <ul>
      {EXAMPLES.map((example) => (
        <li key={example.title}>
          <button
            type="button"
            aria-pressed={isFilledBy(current, example)}
            onClick={() => fill(example.form)}
          >
            <span class="example-title">{example.title}</span>
            <span class="hint">{example.about}</span>
          </button>
        </li>
      ))}
    </ul>
  </section>
);

const isFilledBy = (form: SessionForm, example: Example): boolean =>
  Object.entries({ ...EMPTY_FORM, ...example.form }).every(
    ([name, value]) => form[name as FormField] === value,
  );

const LANGUAGES = { curl: "curl", typescript: "TypeScript" } as const;

/** The same request as code. */
function Snippets({ form }: { form: SessionForm }) {
  const [language, setLanguage] = useState<keyof typeof LANGUAGES>("curl");
  const needsKey = me.value?.via !== "anonymous";
  const code = useMemo(() => {
    const wanted = {
      session: readForm(withoutSecrets(form)).session,
      prompt: form.prompt.trim(),
      ...{ url: location.origin, needsKey },
    };
    return language === "curl" ? curlOf(wanted) : typescriptOf(wanted);
  }, [form, language, needsKey]);
  return (
    <aside class="snippets card" aria-labelledby="snippets">
      <h2 id="snippets">The same request</h2>
      <div class="row">
        <fieldset class="switch" aria-label="Language">
          {Object.entries(LANGUAGES).map(([name, title]) => (
            <button
              type="button"
              class="small"
              key={name}
              aria-pressed={language === name}
              onClick={() => setLanguage(name as keyof typeof LANGUAGES)}
            >
              {title}
            </button>
          ))}
        </fieldset>
        <Copy text={code} label="Copy" />
      </div>
      <Scrollable kind="snippet" name={`The request in ${LANGUAGES[language]}`}>
        <pre>{code}</pre>
      </Scrollable>
    </aside>
  );
}
