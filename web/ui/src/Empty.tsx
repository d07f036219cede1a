import type { JSX, ReactNode } from "react";

interface EmptyProps {
  title: string;
  /** What it means, or the one next step. */
  hint?: string | undefined;
  children?: ReactNode;
}

/** A panel that has nothing to show says so in its own words, with at most one next step. */
export function Empty({ title, hint, children }: EmptyProps): JSX.Element {
  return (
    <div className="ui-empty">
      <strong>{title}</strong>
      {hint !== undefined && <span>{hint}</span>}
      {children}
    </div>
  );
}
