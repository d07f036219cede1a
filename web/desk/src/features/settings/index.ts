import { IconAdjustments } from "@tabler/icons-react";
import { lazy } from "react";

import type { Desk } from "../../app/registry.ts";

export function register(desk: Desk): void {
  desk.page({
    id: "settings",
    label: "page.settings",
    icon: IconAdjustments,
    order: 90,
    foot: true,
    component: lazy(() => import("./SettingsPage.tsx")),
  });
  desk.actions({ id: "go.settings", label: "page.settings", group: "go", keys: "g s" });
}
