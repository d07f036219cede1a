import type { JSX } from "react";

/** A client's colour beside its name or its letters: never the colour alone. */
export function Mark({ colour, text, title }: { colour: string; text: string; title?: string }): JSX.Element {
  return (
    <span className="ui-mark" title={title}>
      <i style={{ background: colour }} />
      <span className="cut">{text}</span>
    </span>
  );
}
