import type { JSX } from "react";

const MAC = /Mac|iPhone|iPad/.test(navigator.userAgent);
const SHOWN: Record<string, string> = MAC
  ? { Mod: "⌘", Alt: "⌥", Shift: "⇧", Enter: "↩", Backspace: "⌫" }
  : { Mod: "Ctrl", Enter: "↵", Backspace: "⌫" };
const ARROWS: Record<string, string> = { ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };

/** A shortcut as people read it: `Alt+Enter`, `g w` (one key after the other). */
export function Keys({ keys }: { keys: string }): JSX.Element {
  return (
    <span className="ui-keys" aria-hidden>
      {keys.split(/[+ ]/).map((key) => (
        <kbd className="ui-key" key={key}>
          {SHOWN[key] ?? ARROWS[key] ?? key}
        </kbd>
      ))}
    </span>
  );
}
