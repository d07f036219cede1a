import type { Key } from "../../i18n/index.ts";

/** What stands behind the codes of undelivered mail: the relay's answers (RFC 5321, RFC 3463) and our own. */
const REASONS: readonly (readonly [RegExp, Key])[] = [
  [/^smtp\.(550|551|553|5\.1\.\d+|5\.2\.1)$/, "reason.unknown_recipient"],
  [/^smtp\.(452|552|[45]\.2\.2)$/, "reason.mailbox_full"],
  [/^(smtp\.([45]\.3\.4|5\.2\.3)|attachments\.too_large)$/, "reason.too_large"],
  [/^smtp\.5/, "reason.refused"],
  [/^(smtp\.4|channel\.timeout)/, "reason.timeout"],
  [/^relay\./, "reason.relay"],
  [/^customer\.no_address$/, "reason.no_address"],
];

/** The words' key; null for a code that has none and is shown as it is. */
export function reasonKey(code: string): Key | null {
  return REASONS.find(([pattern]) => pattern.test(code))?.[1] ?? null;
}
