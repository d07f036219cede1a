import type { Language } from "../store/settings.ts";

export interface Format {
  /** 14:03 */
  time(at: number): string;
  /** Tuesday 24 November */
  day(at: number): string;
  /** 24/11, or with the year when it is another one */
  shortDay(at: number): string;
  /** The day in a list: the time if today, else the short day. */
  when(at: number, now: number): string;
  /** Full date and time, for titles. */
  exact(at: number): string;
  number(value: number): string;
  percent(share: number): string;
  size(bytes: number): string;
  /** Running time: 0:07, 12:40, 3 h 05, 2 d */
  span(ms: number): string;
  country(code: string): string;
  language(code: string): string;
}

const LOCALES: Record<Language, string> = { fr: "fr-FR", en: "en-GB" };
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NBSP = "\u00a0";

function two(value: number): string {
  return String(value).padStart(2, "0");
}

const made = new Map<Language, Format>();

export function makeFormat(language: Language): Format {
  const known = made.get(language);
  if (known) return known;
  const locale = LOCALES[language];
  const time = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });
  const short = new Intl.DateTimeFormat(locale, { day: "2-digit", month: "2-digit" });
  const shortYear = new Intl.DateTimeFormat(locale, { day: "2-digit", month: "2-digit", year: "2-digit" });
  const exact = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium" });
  const number = new Intl.NumberFormat(locale);
  const percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 });
  const regions = new Intl.DisplayNames(locale, { type: "region", fallback: "code" });
  const languages = new Intl.DisplayNames(locale, { type: "language", fallback: "code" });
  const dayLetter = language === "fr" ? "j" : "d";

  const format: Format = {
    time: (at) => time.format(at),
    day: (at) => day.format(at),
    shortDay: (at) =>
      new Date(at).getFullYear() === new Date().getFullYear() ? short.format(at) : shortYear.format(at),
    when: (at, now) =>
      new Date(at).toDateString() === new Date(now).toDateString() ? time.format(at) : format.shortDay(at),
    exact: (at) => exact.format(at),
    number: (value) => number.format(value),
    percent: (share) => percent.format(share),
    size: (bytes) => {
      if (bytes < 1_000) return `${number.format(bytes)}${NBSP}${language === "fr" ? "o" : "B"}`;
      const kilo = bytes < 1_000_000;
      const value = new Intl.NumberFormat(locale, { maximumFractionDigits: kilo ? 0 : 1 });
      const unit = `${kilo ? "k" : "M"}${language === "fr" ? "o" : "B"}`;
      return `${value.format(bytes / (kilo ? 1_000 : 1_000_000))}${NBSP}${unit}`;
    },
    span: (ms) => {
      const seconds = Math.max(0, Math.floor(ms / 1000));
      if (seconds < 3600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
      const hours = Math.floor(seconds / 3600);
      if (hours < 24) return `${hours}${NBSP}h${NBSP}${two(Math.floor((seconds % 3600) / 60))}`;
      return `${Math.floor(ms / DAY)}${NBSP}${dayLetter}`;
    },
    country: (code) => nameOf(regions, code),
    language: (code) => nameOf(languages, code),
  };
  made.set(language, format);
  return format;
}

function nameOf(names: Intl.DisplayNames, code: string): string {
  try {
    return names.of(code) ?? code;
  } catch {
    return code;
  }
}
