import { useMemo, type AnchorHTMLAttributes, type JSX, type MouseEvent } from "react";
import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";

/** Where the window stands below the desk's own address: `["work", "c12"]` and what follows the `?`. */
export interface Place {
  parts: readonly string[];
  query: string;
}

const BASE = import.meta.env.BASE_URL.replace(/\/$/, "");

function read(): Place {
  const path = location.pathname.startsWith(BASE) ? location.pathname.slice(BASE.length) : location.pathname;
  return { parts: path.split("/").filter(Boolean).map(decodeURIComponent), query: location.search };
}

const place = createStore<Place>(read);
addEventListener("popstate", () => place.setState(read(), true));

/** `path` starts with "/" and stands below the desk's address. */
export function go(path: string, { replace = false } = {}): void {
  if (location.pathname + location.search === BASE + path) return;
  history[replace ? "replaceState" : "pushState"](null, "", BASE + path);
  place.setState(read(), true);
}

/** A path from parts that may hold any character. */
export function pathTo(...parts: string[]): string {
  return `/${parts.map(encodeURIComponent).join("/")}`;
}

export function here(): Place {
  return place.getState();
}

export function usePlace(): Place {
  return useStore(place);
}

/** One part of the path, counted from 0. */
export function usePart(index: number): string | undefined {
  return useStore(place, (state) => state.parts[index]);
}

/** Filters kept in the address, so that a list can be sent to a colleague and survives a reload. */
export function useQuery(): [URLSearchParams, (changes: Record<string, string>) => void] {
  const query = useStore(place, (state) => state.query);
  const words = useMemo(() => new URLSearchParams(query), [query]);
  return [words, changeQuery];
}

function changeQuery(changes: Record<string, string>): void {
  const next = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  go(`${pathTo(...here().parts)}${text === "" ? "" : `?${text}`}`, { replace: true });
}

type ToProps = AnchorHTMLAttributes<HTMLAnchorElement> & { to: string };

/** A link inside the desk: opens in place, and in another window when asked so. */
export function To({ to, onClick, children, ...rest }: ToProps): JSX.Element {
  function follow(event: MouseEvent<HTMLAnchorElement>): void {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey)
      return;
    event.preventDefault();
    go(to);
  }
  return (
    <a href={BASE + to} onClick={follow} {...rest}>
      {children}
    </a>
  );
}
