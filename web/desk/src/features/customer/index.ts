import type { Desk } from "../../app/registry.ts";

export function register(desk: Desk): void {
  desk.actions({ id: "customer.edit", label: "customer.edit", group: "conversation", keys: "c" });
}
