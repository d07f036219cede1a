import type { JSX } from "react";
import { useEffect, useState, useSyncExternalStore } from "react";

import { useFormat } from "../i18n/index.ts";
import { onSecond, serverNow, struckSecond } from "../net/clock.ts";

/** The server's time, anew every second: for whoever counts down or up. */
export function useNow(): number {
  return useSyncExternalStore(onSecond, struckSecond) * 1000;
}

/** The server's time, anew every minute: for lists that say "today". */
export function useMinute(): number {
  const [now, setNow] = useState(serverNow);
  useEffect(() => {
    const timer = setInterval(() => setNow(serverNow()), 60_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

interface SinceProps {
  at: number;
  /** From how many ms on it is late (bold) and very late (with a sign). */
  late?: number;
  veryLate?: number;
}

/** How long something has been so. Past its thresholds it changes weight and gains a sign, not only colour. */
export function Since({ at, late = Infinity, veryLate = Infinity }: SinceProps): JSX.Element {
  const format = useFormat();
  const now = useNow();
  // 0: it has never been otherwise.
  if (!(at > 0)) return <span className="since">–</span>;
  const age = now - at;
  const tone = age >= veryLate ? "very-late" : age >= late ? "late" : undefined;
  return (
    <time className="since num" data-tone={tone} dateTime={new Date(at).toISOString()}>
      {tone === "very-late" && <span aria-hidden>▲ </span>}
      {format.span(age)}
    </time>
  );
}

/** How long until something is due; once past it counts up with a sign. */
export function Until({ at, late = 0 }: { at: number; late?: number }): JSX.Element {
  const format = useFormat();
  const now = useNow();
  const left = at - now;
  const tone = left < 0 ? "very-late" : left < late ? "late" : undefined;
  return (
    <time className="since num" data-tone={tone} dateTime={new Date(at).toISOString()}>
      {left < 0 && <span aria-hidden>▲ </span>}
      {left < 0 ? `+${format.span(-left)}` : format.span(left)}
    </time>
  );
}
