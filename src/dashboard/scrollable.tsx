import type { ComponentChildren } from "preact";

/** A part of a page that scrolls by itself, with the keyboard too. */
export const Scrollable = ({
  name,
  kind,
  children,
}: {
  name: string;
  kind: string;
  children: ComponentChildren;
}) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: Safari gives what scrolls no focus.
  <section class={kind} tabIndex={0} aria-label={name}>
    {children}
  </section>
);
