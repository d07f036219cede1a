import { IconSettings } from "@tabler/icons-react";
import { lazy } from "react";

import type { Desk } from "../../app/registry.ts";

export function register(desk: Desk): void {
  desk.page({
    id: "admin",
    label: "page.admin",
    icon: IconSettings,
    order: 80,
    roles: ["administrator"],
    component: lazy(() => import("./AdminPage.tsx")),
  });
  desk.actions({ id: "go.admin", label: "page.admin", group: "go", keys: "g a" });
}
