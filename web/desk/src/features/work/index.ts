import { IconInbox } from "@tabler/icons-react";

import type { Desk } from "../../app/registry.ts";
import { WorkPage } from "./WorkPage.tsx";

export function register(desk: Desk): void {
  desk.page({ id: "work", label: "page.work", icon: IconInbox, order: 0, component: WorkPage });
  desk.actions(
    { id: "go.work", label: "page.work", group: "go", keys: "g w" },
    { id: "work.next", label: "work.next", group: "go", keys: "j" },
    { id: "work.previous", label: "work.previous", group: "go", keys: "k" },
    { id: "customer.fold", label: "customer.fold", group: "go", keys: "i" },
  );
}
