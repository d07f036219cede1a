import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useTools, useView } from "./context.ts";
import { ChatIcon } from "./icons.tsx";
import { Panel } from "./Panel.tsx";
import { useTheme, type Theme } from "./theme.ts";

export interface Handle {
  open(): void;
  close(): void;
}

interface Props {
  entry: string;
  theme: Theme;
  /** Where a page's own script gets hold of the panel. */
  handle: (handle: Handle) => void;
}

export function App({ entry, theme, handle }: Props): JSX.Element | null {
  const { chat, say } = useTools();
  const view = useView();
  const [open, setOpen] = useState(() => remembered(entry));
  const launcher = useRef<HTMLButtonElement>(null);
  const root = useRef<HTMLDivElement>(null);
  useTheme(root, theme, view.door?.client.colour ?? "");

  useEffect(() => {
    handle({ open: () => setOpen(true), close: () => setOpen(false) });
  }, [handle]);
  useEffect(() => remember(entry, open), [entry, open]);
  // Before anything else can arrive: what comes after closing is unread.
  useLayoutEffect(() => {
    const watch = (): void => chat.watch(open && document.visibilityState === "visible");
    watch();
    document.addEventListener("visibilitychange", watch);
    return () => document.removeEventListener("visibilitychange", watch);
  }, [chat, open]);

  const closing = useRef(false);
  useLayoutEffect(() => {
    if (closing.current) launcher.current?.focus();
    closing.current = false;
  }, [open]);
  const close = (): void => {
    closing.current = true;
    setOpen(false);
  };
  const unread = open ? 0 : view.unread;
  const news = unread > 0 ? say.count("unread", unread) : "";

  return (
    <div class="root" ref={root}>
      {open && <Panel onClose={close} />}
      <button
        ref={launcher}
        type="button"
        class={open ? "launcher is-open" : "launcher"}
        aria-expanded={open}
        onClick={() => (open ? close() : setOpen(true))}
      >
        <ChatIcon />
        <span class="launcher-text">{say("launcher")}</span>
        {unread > 0 && (
          <>
            <span class="badge" aria-hidden="true">
              {unread > 9 ? "9+" : unread}
            </span>
            <span class="hidden">{news}</span>
          </>
        )}
      </button>
      <div class="hidden" role="status">
        {news}
      </div>
    </div>
  );
}

/** A shop is many pages: what was open stays open on the next one, in this tab. */
function remembered(entry: string): boolean {
  try {
    return sessionStorage.getItem(`guichet:${entry}:open`) === "1";
  } catch {
    return false;
  }
}

function remember(entry: string, open: boolean): void {
  try {
    sessionStorage.setItem(`guichet:${entry}:open`, open ? "1" : "0");
  } catch {
    // storage is refused here: the panel starts closed on the next page
  }
}
