import type { Desk } from "../../app/registry.ts";
import { OfferAnnouncer } from "./OfferAnnouncer.tsx";

export function register(desk: Desk): void {
  desk.overlay({ id: "offers", component: OfferAnnouncer });
  desk.actions(
    { id: "offer.accept", label: "offer.accept", group: "offer", keys: "Alt+Enter" },
    { id: "offer.decline", label: "offer.decline", group: "offer", keys: "Alt+Backspace" },
  );
}
