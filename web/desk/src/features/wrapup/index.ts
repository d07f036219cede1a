import type { Desk } from "../../app/registry.ts";

export function register(desk: Desk): void {
  desk.actions({
    id: "wrapup.finish",
    label: "wrapup.finish",
    group: "conversation",
    keys: "Mod+Shift+Enter",
  });
}
