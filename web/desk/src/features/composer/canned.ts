import type { ConfigRow } from "@guichet/protocol";

/** What stands for a placeholder in a canned reply. */
export interface Fill {
  customer: string;
  agent: string;
  client: string;
}

export interface Canned {
  id: string;
  shortcut: string;
  /** Filled in. */
  text: string;
  language: string;
}

/** The word with a slash in front of the caret, if one is being typed: `/merc|`. */
export function slashWord(text: string, caret: number): { start: number; word: string } | null {
  const match = /(?:^|\s)\/([\p{L}\p{N}_-]*)$/u.exec(text.slice(0, caret));
  if (!match) return null;
  const word = match[1] ?? "";
  return { start: caret - word.length - 1, word };
}

export function fillIn(text: string, fill: Fill): string {
  return text.replace(/\{(customer|agent|client)\}/g, (whole, name: keyof Fill) => fill[name] || whole);
}

/** Replies for this client (or for all) that begin with or hold the word; the conversation's language first. */
export function cannedFor(
  rows: readonly ConfigRow[],
  client: string,
  language: string | null,
  word: string,
  fill: Fill,
): Canned[] {
  const wanted = word.toLowerCase();
  const score = (one: Canned) =>
    (one.language === language ? 0 : 2) + (one.shortcut.toLowerCase().startsWith(wanted) ? 0 : 1);
  return rows
    .filter((row) => (row.value["client"] ?? client) === client)
    .map((row) => ({
      id: row.id,
      shortcut: String(row.value["shortcut"] ?? ""),
      text: fillIn(String(row.value["text"] ?? ""), fill),
      language: String(row.value["language"] ?? ""),
    }))
    .filter((one) => one.shortcut.toLowerCase().includes(wanted))
    .toSorted((a, b) => score(a) - score(b) || a.shortcut.localeCompare(b.shortcut))
    .slice(0, 8);
}
