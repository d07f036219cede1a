import { IconHistory } from "@tabler/icons-react";
import { lazy } from "react";

import type { Desk } from "../../app/registry.ts";

export function register(desk: Desk): void {
  desk.page({
    id: "conversations",
    label: "page.conversations",
    icon: IconHistory,
    order: 10,
    component: lazy(() => import("./ConversationsPage.tsx")),
  });
  desk.actions({ id: "go.conversations", label: "page.conversations", group: "go", keys: "g c" });
}
