import type { Desk } from "../../app/registry.ts";

export function register(desk: Desk): void {
  desk.actions(
    { id: "presence.available", label: "presence.available", group: "presence", keys: "Alt+1" },
    { id: "presence.break", label: "presence.break", group: "presence", keys: "Alt+2" },
    { id: "presence.training", label: "presence.training", group: "presence", keys: "Alt+3" },
    { id: "presence.meeting", label: "presence.meeting", group: "presence", keys: "Alt+4" },
    { id: "presence.back_office", label: "presence.back_office", group: "presence", keys: "Alt+5" },
    { id: "presence.offline", label: "presence.offline", group: "presence", keys: "Alt+6" },
  );
}
