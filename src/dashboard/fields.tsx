import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import {
  COLUMNS,
  type FormField,
  type Problems,
  type RowsField,
  SECRETS,
  type SessionForm,
  type TextField,
} from "./session-form.ts";

// The fields that the form of a new session is made of.

export interface FieldsProps {
  form: SessionForm;
  set<F extends FormField>(name: F, value: SessionForm[F]): void;
  problems: Problems;
}

/** A part of the form that is folded until somebody needs it. */
export const Part = ({
  title,
  isOpen,
  children,
}: {
  title: string;
  isOpen: boolean;
  children: ComponentChildren;
}) => {
  const [wasOpened, setOpened] = useState(false);
  return (
    <details
      class="part card"
      open={isOpen || wasOpened}
      onToggle={({ currentTarget }) => setOpened(currentTarget.open)}
    >
      <summary>
        <h2>{title}</h2>
      </summary>
      {children}
    </details>
  );
};

interface InputProps extends FieldsProps {
  name: TextField;
  label: string;
  hint?: string;
}

interface ControlProps {
  id: string;
  value: string;
  "aria-invalid": boolean | undefined;
  "aria-describedby": string | undefined;
  onInput(event: { currentTarget: { value: string } }): void;
}

/** A field with its label, its hint and what is wrong with it. */
function Labelled({
  name,
  label,
  hint,
  form,
  set,
  problems,
  children,
}: InputProps & { children(control: ControlProps): ComponentChildren }) {
  const id = `new-${name}`;
  const problem = problems[name];
  const described = [problem && `${id}-problem`, hint && `${id}-hint`].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({
        id,
        value: form[name],
        "aria-invalid": problem === undefined ? undefined : true,
        "aria-describedby": described || undefined,
        onInput: ({ currentTarget }) => set(name, currentTarget.value),
      })}
      {problem !== undefined && (
        <p class="inline-problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

export const Text = ({ example, ...field }: InputProps & { example?: string }) => (
  <Labelled {...field}>
    {(control) => (
      <input
        type="text"
        autocomplete="off"
        placeholder={example && `for example ${example}`}
        {...control}
      />
    )}
  </Labelled>
);

export const Area = ({
  rows,
  isCode = false,
  ...field
}: InputProps & { rows: number; isCode?: boolean }) => (
  <Labelled {...field}>
    {(control) => (
      <textarea
        rows={rows}
        class={isCode ? "code" : undefined}
        spellcheck={!isCode}
        autocomplete="off"
        {...control}
      />
    )}
  </Labelled>
);

export const Choice = ({ options, ...field }: InputProps & { options: Record<string, string> }) => (
  <Labelled {...field}>
    {(control) => (
      <select {...control}>
        {Object.entries(options).map(([value, text]) => (
          <option value={value} key={value}>
            {text}
          </option>
        ))}
      </select>
    )}
  </Labelled>
);

interface RowsProps extends FieldsProps {
  name: RowsField;
  label: string;
  hint: string;
  /** What a row is called. */
  noun: string;
  labels: Record<string, string>;
}

/** Rows of fields, as many as somebody adds. */
export function Rows({ form, set, problems, name, label, hint, noun, labels }: RowsProps) {
  const box = useRef<HTMLFieldSetElement>(null);
  const rows: readonly Record<string, string>[] = form[name].map((row) => ({ ...row }));
  const columns = COLUMNS[name];
  const change = (next: readonly Record<string, string>[]) =>
    set(name, next as unknown as SessionForm[typeof name]);
  const problem = problems[name];
  /** Moves the focus to what is there after a change: the first field of the last row, or the button. */
  const focusLast = () =>
    requestAnimationFrame(() => {
      const last = box.current?.querySelector<HTMLElement>(".row-of-fields:last-of-type input");
      (last ?? box.current?.querySelector<HTMLElement>(".add"))?.focus();
    });
  return (
    <fieldset class="rows" ref={box} aria-describedby={`new-${name}-hint`}>
      <legend>{label}</legend>
      <p class="hint" id={`new-${name}-hint`}>
        {hint}
      </p>
      {problem !== undefined && (
        <p class="inline-problem" id={`new-${name}-problem`}>
          {problem}
        </p>
      )}
      {rows.map((row, at) => (
        <div class="row-of-fields" key={at}>
          {columns.map((column) => {
            const control = {
              id: `new-${name}-${at}-${column}`,
              autocomplete: "off",
              "aria-invalid": problem === undefined ? undefined : true,
              value: row[column] ?? "",
              onInput: ({ currentTarget: { value } }: { currentTarget: { value: string } }) =>
                change(rows.map((old, i) => (i === at ? { ...old, [column]: value } : old))),
            } as const;
            return (
              <div key={column}>
                <label for={control.id}>{labels[column]}</label>
                {SECRETS.includes(column) ? (
                  <input type="password" {...control} />
                ) : (
                  <input type="text" {...control} />
                )}
              </div>
            );
          })}
          <button
            type="button"
            class="plain small"
            aria-label={`Remove ${noun} ${at + 1}`}
            onClick={() => {
              change(rows.filter((_, i) => i !== at));
              focusLast();
            }}
          >
            Remove
          </button>
        </div>
      ))}
      <button
        type="button"
        class="small add"
        onClick={() => {
          change([...rows, Object.fromEntries(columns.map((column) => [column, ""]))]);
          focusLast();
        }}
      >
        Add {noun}
      </button>
    </fieldset>
  );
}
