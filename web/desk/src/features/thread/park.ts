import type { Key } from "../../i18n/index.ts";

/** A moment at which a parked conversation comes back. */
export interface ParkTime {
  label: Key;
  /** Milliseconds since the epoch; null: when the customer writes. */
  until: number | null;
}

const HOUR = 3_600_000;

function at(day: Date, hour: number): number {
  const moment = new Date(day);
  moment.setHours(hour, 0, 0, 0);
  return moment.getTime();
}

/** The choices that make sense at this moment: no "this evening" at night. */
export function parkTimes(now: number): ParkTime[] {
  const today = new Date(now);
  const tomorrow = new Date(now);
  tomorrow.setDate(today.getDate() + 1);
  const monday = new Date(now);
  monday.setDate(today.getDate() + ((8 - today.getDay()) % 7 || 7));
  const times: ParkTime[] = [
    { label: "park.reply", until: null },
    { label: "park.hour", until: now + HOUR },
    { label: "park.three_hours", until: now + 3 * HOUR },
  ];
  const evening = at(today, 17);
  if (evening > now + 3 * HOUR) times.push({ label: "park.evening", until: evening });
  times.push({ label: "park.tomorrow", until: at(tomorrow, 9) });
  if (monday.getTime() - now > 1.5 * 24 * HOUR) times.push({ label: "park.monday", until: at(monday, 9) });
  return times;
}
