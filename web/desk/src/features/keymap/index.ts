import type { Desk } from "../../app/registry.ts";
import { Keymap } from "./Keymap.tsx";

export function register(desk: Desk): void {
  desk.overlay({ id: "keymap", component: Keymap });
  desk.actions({ id: "keymap", label: "keymap.title", group: "go", keys: "?" });
}
