import type { Waiting } from "../wire.ts";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export type Language = "fr" | "en";
export type Key = keyof typeof fr;

const TABLES: Record<Language, Record<Key, string>> = { fr, en };

/** `data-language`, else the page's, else the browser's; English for whoever reads neither. */
export function pickLanguage(...wishes: (string | null | undefined)[]): Language {
  for (const wish of wishes) {
    const start = wish?.slice(0, 2).toLowerCase();
    if (start === "fr" || start === "en") return start;
  }
  return "en";
}

export interface Words {
  language: Language;
  (key: Key, values?: Record<string, string | number>): string;
  /** `before` with 2 takes `before_other`. */
  count(stem: "before" | "unread" | "wait_about", n: number): string;
  time(at: number): string;
  day(at: number): string;
  country(code: string): string;
  size(bytes: number): string;
  percent(share: number): string;
}

export function words(language: Language): Words {
  const table = TABLES[language];
  const plural = new Intl.PluralRules(language);
  const say = (key: Key, values: Record<string, string | number> = {}): string =>
    table[key].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
  const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
  const calendar = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" });
  return Object.assign(say, {
    language,
    count: (stem: string, n: number) =>
      say(`${stem}_${plural.select(n) === "one" ? "one" : "other"}` as Key, { n }),
    time: (at: number) => clock.format(at),
    day: (at: number) => calendar.format(at),
    country(code: string): string {
      try {
        return new Intl.DisplayNames(language, { type: "region" }).of(code) ?? code;
      } catch {
        return code;
      }
    },
    size(bytes: number): string {
      const [divisor, unit] = bytes < 1_000_000 ? [1_000, "kilobyte"] : [1_000_000, "megabyte"];
      const style = {
        style: "unit",
        unit,
        maximumFractionDigits: bytes < 10_000_000 && unit === "megabyte" ? 1 : 0,
      };
      return new Intl.NumberFormat(language, style as Intl.NumberFormatOptions).format(
        Math.max(1, bytes / divisor),
      );
    },
    percent: (share: number) => new Intl.NumberFormat(language, { style: "percent" }).format(share),
  });
}

/** Place and range as one honest sentence or two. */
export function waitingWords(say: Words, { place, low_s, high_s }: Waiting): string {
  const where = place <= 1 ? say("next") : say.count("before", place - 1);
  if (typeof low_s !== "number" || typeof high_s !== "number") return `${where} ${say("wait_unknown")}`;
  const low = Math.floor(low_s / 60);
  const high = Math.ceil(high_s / 60);
  if (high <= 1) return `${where} ${say("wait_short")}`;
  if (low === 0 || low === high) return `${where} ${say.count("wait_about", high)}`;
  return `${where} ${say("wait_range", { low, high })}`;
}
