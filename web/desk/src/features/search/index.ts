import type { Desk } from "../../app/registry.ts";
import { Palette } from "./Palette.tsx";

export function register(desk: Desk): void {
  desk.overlay({ id: "palette", component: Palette });
  desk.actions(
    { id: "palette", label: "search.palette", group: "go", keys: "Mod+k" },
    { id: "search", label: "search.find", group: "go", keys: "/" },
  );
}
