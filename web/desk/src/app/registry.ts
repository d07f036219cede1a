import type { Role } from "@guichet/protocol";
import type { Icon } from "@tabler/icons-react";
import type { ComponentType } from "react";

import type { Key } from "../i18n/index.ts";
import type { ActionSpec } from "./actions.ts";

/** A page of the rail, found at `/<id>`. Its component is told nothing: it reads the address. */
export interface Page {
  id: string;
  label: Key;
  icon: Icon;
  order: number;
  component: ComponentType;
  /** Who sees it; everybody when left out. */
  roles?: readonly Role[];
  /** Stands at the foot of the rail. */
  foot?: boolean;
}

/** Something that is there on every page: the palette, the map of keys, the announcements. */
export interface Overlay {
  id: string;
  component: ComponentType;
}

/** What a feature adds to the desk. Each folder's index.ts exports `register(desk)`. */
export interface Desk {
  page(page: Page): void;
  overlay(overlay: Overlay): void;
  actions(...actions: ActionSpec[]): void;
}

const pages: Page[] = [];
const overlays: Overlay[] = [];
const actions: ActionSpec[] = [];

const desk: Desk = {
  page: (page) => pages.push(page),
  overlay: (overlay) => overlays.push(overlay),
  actions: (...specs) => actions.push(...specs),
};

/** Finds every feature folder and lets it register itself; called once, before the first paint. */
export function discover(): void {
  const found = import.meta.glob<{ register(desk: Desk): void }>("../features/*/index.ts", { eager: true });
  for (const feature of Object.values(found)) feature.register(desk);
  pages.sort((a, b) => a.order - b.order);
}

export function pagesFor(role: Role): readonly Page[] {
  return pages.filter((page) => !page.roles || page.roles.includes(role));
}

export function allOverlays(): readonly Overlay[] {
  return overlays;
}

export function allActions(): readonly ActionSpec[] {
  return actions;
}
