import type { Desk } from "../../app/registry.ts";

export function register(desk: Desk): void {
  desk.actions(
    { id: "composer.reply", label: "composer.reply_to", group: "write", keys: "r" },
    { id: "composer.note", label: "composer.note", group: "write", keys: "n" },
    { id: "composer.attach", label: "composer.attach", group: "write", keys: "Alt+j" },
  );
}
