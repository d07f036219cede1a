import { useEffect, useRef } from "react";
import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";

import type { Key } from "../i18n/index.ts";
import { settings } from "../store/settings.ts";

/** Something that can be done by a key or from the palette. */
export interface ActionSpec {
  id: string;
  label: Key;
  group: "go" | "offer" | "conversation" | "write" | "presence";
  /** `Alt+Enter`, `Mod+k`, `?`, `g w`. A single letter works outside text fields only. */
  keys?: string;
}

type Handler = () => void;

const handlers = createStore<Readonly<Record<string, readonly Handler[]>>>(() => ({}));

/** What `id` does while this component is on the screen; null: nothing just now. */
export function useAction(id: string, handler: Handler | null): void {
  const latest = useRef(handler);
  useEffect(() => {
    latest.current = handler;
  });
  const able = handler !== null;
  useEffect(() => {
    if (!able) return undefined;
    const mine: Handler = () => latest.current?.();
    handlers.setState((all) => ({ ...all, [id]: [...(all[id] ?? []), mine] }));
    return () => {
      handlers.setState((all) => ({ ...all, [id]: (all[id] ?? []).filter((one) => one !== mine) }));
    };
  }, [id, able]);
}

/** Does it, if anybody on the screen knows how; the one who came last is asked. */
export function perform(id: string): boolean {
  const handler = handlers.getState()[id]?.at(-1);
  if (!handler) return false;
  handler();
  return true;
}

export function useAble(): (id: string) => boolean {
  const all = useStore(handlers);
  return (id) => (all[id]?.length ?? 0) > 0;
}

function isTextField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** One stroke of a shortcut against an event. Digits go by their place, as their sign depends on the layout. */
function strikes(stroke: string, event: KeyboardEvent): boolean {
  const parts = stroke.split("+");
  const key = parts.pop() ?? "";
  const wanted = { Mod: parts.includes("Mod"), Alt: parts.includes("Alt"), Shift: parts.includes("Shift") };
  if (wanted.Mod !== (event.ctrlKey || event.metaKey) || wanted.Alt !== event.altKey) return false;
  if (wanted.Shift && !event.shiftKey) return false;
  if (/^\d$/.test(key)) return event.code === `Digit${key}` || event.code === `Numpad${key}`;
  return event.key === key || event.key.toLowerCase() === key.toLowerCase();
}

/** Listens for every shortcut; returns the way to stop. */
export function listen(specs: readonly ActionSpec[]): () => void {
  let prefix = "";
  let prefixAt = 0;
  function onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.isComposing || event.repeat) return;
    const plain = !event.altKey && !event.ctrlKey && !event.metaKey;
    if (plain && (isTextField(event.target) || !settings.getState().letters)) return;
    if (plain && document.querySelector("[role=dialog][aria-modal=true]")) return;
    const first = event.timeStamp - prefixAt < 1200 ? prefix : "";
    prefix = "";
    for (const { id, keys } of specs) {
      if (keys === undefined) continue;
      const strokes = keys.split(" ");
      const last = strokes.at(-1) ?? "";
      if (strokes.length === 2 ? strokes[0] !== first : first !== "") continue;
      if (strikes(last, event) && perform(id)) {
        event.preventDefault();
        return;
      }
    }
    if (plain && event.key.length === 1) {
      prefix = specs.some(({ keys }) => keys?.startsWith(`${event.key} `)) ? event.key : "";
      prefixAt = event.timeStamp;
    }
  }
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}
