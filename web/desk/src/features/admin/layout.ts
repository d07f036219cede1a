import type { Key } from "../../i18n/index.ts";

interface Group {
  title: Key;
  fields: readonly string[];
}

interface Layout {
  /** Fields in the order in which one thinks of them; what is not named here comes last. */
  groups: readonly Group[];
  /** The field that says a little more in the list. */
  detail?: string;
}

/** The kinds in the order of a set-up: who for, where, who, what comes in. */
export const KINDS = [
  "organisation",
  "client",
  "site",
  "team",
  "skill",
  "agent",
  "hours",
  "queue",
  "entry_point",
  "reason",
  "disposition",
  "tag",
  "canned_reply",
] as const;
export type Kind = (typeof KINDS)[number];

export const LAYOUTS: Record<Kind, Layout> = {
  organisation: {
    groups: [
      { title: "group.identity", fields: ["name", "default_language"] },
      {
        title: "group.offers",
        fields: ["offer_seconds", "missed_limit", "known_agent_seconds", "vanish_seconds"],
      },
      { title: "group.after", fields: ["wrapup_seconds"] },
    ],
  },
  client: { groups: [{ title: "group.identity", fields: ["name", "mark", "colour"] }], detail: "mark" },
  site: {
    groups: [
      { title: "group.identity", fields: ["name", "employer"] },
      { title: "group.place", fields: ["country", "zone", "time_zone"] },
    ],
    detail: "country",
  },
  team: { groups: [{ title: "group.identity", fields: ["name"] }] },
  skill: { groups: [{ title: "group.identity", fields: ["name"] }] },
  agent: {
    groups: [
      { title: "group.identity", fields: ["name", "email", "role"] },
      { title: "group.place", fields: ["site", "team"] },
      { title: "group.work", fields: ["clients", "queues", "languages", "skills", "capacity"] },
    ],
    detail: "role",
  },
  hours: {
    groups: [
      { title: "group.identity", fields: ["name", "time_zone"] },
      { title: "group.open", fields: ["slots", "closed_days"] },
    ],
    detail: "time_zone",
  },
  queue: {
    groups: [
      { title: "group.identity", fields: ["name", "client"] },
      { title: "group.needs", fields: ["language", "skills", "policy"] },
      { title: "group.promise", fields: ["answer_within_seconds", "priority", "hours"] },
      { title: "group.effort", fields: ["cost", "interruptible", "wrapup_seconds"] },
    ],
    detail: "client",
  },
  entry_point: {
    groups: [
      { title: "group.identity", fields: ["name", "client"] },
      { title: "group.way", fields: ["channel", "queue", "language"] },
      { title: "group.channel", fields: ["settings"] },
    ],
    detail: "channel",
  },
  reason: { groups: [{ title: "group.identity", fields: ["name", "presence"] }], detail: "presence" },
  disposition: { groups: [{ title: "group.identity", fields: ["name", "client"] }], detail: "client" },
  tag: { groups: [{ title: "group.identity", fields: ["name", "client"] }], detail: "client" },
  canned_reply: {
    groups: [{ title: "group.identity", fields: ["shortcut", "text", "language", "client"] }],
    detail: "text",
  },
};
