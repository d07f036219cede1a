import type { Presence } from "@guichet/protocol";
import {
  IconCircleCheckFilled,
  IconCircleDashed,
  IconCoffee,
  IconAlertCircle,
  IconFileText,
  IconSchool,
  IconUsers,
  type Icon,
} from "@tabler/icons-react";
import type { JSX } from "react";

export const PRESENCES: readonly Presence[] = [
  "available",
  "break",
  "training",
  "meeting",
  "back_office",
  "offline",
];

const LOOKS: Record<Presence, { icon: Icon; colour: string }> = {
  available: { icon: IconCircleCheckFilled, colour: "var(--good-ink)" },
  break: { icon: IconCoffee, colour: "var(--warn-ink)" },
  training: { icon: IconSchool, colour: "var(--ink-soft)" },
  meeting: { icon: IconUsers, colour: "var(--ink-soft)" },
  back_office: { icon: IconFileText, colour: "var(--ink-soft)" },
  offline: { icon: IconCircleDashed, colour: "var(--ink-soft)" },
  missed: { icon: IconAlertCircle, colour: "var(--bad-ink)" },
};

/** A presence as a shape and a colour; the word stands beside it or is its label. */
export function PresenceIcon({ presence, size = 16 }: { presence: Presence; size?: number }): JSX.Element {
  const { icon: Glyph, colour } = LOOKS[presence] ?? LOOKS.offline;
  return <Glyph size={size} color={colour} aria-hidden />;
}
