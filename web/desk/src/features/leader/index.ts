import { IconLayoutGrid } from "@tabler/icons-react";
import { lazy } from "react";

import type { Desk } from "../../app/registry.ts";

export function register(desk: Desk): void {
  desk.page({
    id: "queues",
    label: "page.queues",
    icon: IconLayoutGrid,
    order: 20,
    roles: ["leader", "administrator"],
    component: lazy(() => import("./LeaderPage.tsx")),
  });
  desk.actions({ id: "go.queues", label: "page.queues", group: "go", keys: "g q" });
}
