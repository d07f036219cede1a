import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { palette } from "./colour.ts";

export type Theme = "light" | "dark" | "auto";

/** What the client's colour must be read on; the same values stand in styles/base.css. */
const SURFACE = { light: "#ffffff", dark: "#1b1e23" };

/** Sets the scheme and the client's colours. Through the object model, which no content policy forbids. */
export function useTheme(root: RefObject<HTMLElement | null>, theme: Theme, colour: string): void {
  const dark = useMedia("(prefers-color-scheme: dark)");
  const scheme = theme === "auto" ? (dark ? "dark" : "light") : theme;
  useLayoutEffect(() => {
    const element = root.current;
    if (!element) return;
    const { accent, onAccent, ink } = palette(colour, SURFACE[scheme]);
    element.dataset["scheme"] = scheme;
    element.style.setProperty("--accent", accent);
    element.style.setProperty("--on-accent", onAccent);
    element.style.setProperty("--ink", ink);
  }, [root, scheme, colour]);
}

export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const follow = (): void => setMatches(list.matches);
    follow();
    list.addEventListener("change", follow);
    return () => list.removeEventListener("change", follow);
  }, [query]);
  return matches;
}
