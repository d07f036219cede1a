/** What an agent should read of a mail, and what was only quoted below it. */
export interface Folded {
  words: string;
  quoted: string;
}

const QUOTE_HEADS = [
  /^\s*le .{4,120} a écrit\s*:\s*$/i,
  /^\s*on .{4,120} wrote:\s*$/i,
  /^\s*-{2,}\s*(original message|message d'origine|message transféré|forwarded message)\s*-{2,}\s*$/i,
  /^\s*_{10,}\s*$/,
];

function isQuoteStart(lines: readonly string[], index: number): boolean {
  const line = lines[index] ?? "";
  const joined = `${line} ${lines[index + 1] ?? ""}`;
  return QUOTE_HEADS.some((head) => head.test(line) || (/^\s*(le|on) /i.test(line) && head.test(joined)));
}

/** Splits a mail's text where the quoted part begins. A text that is nothing but a quotation is not folded. */
export function foldQuoted(text: string): Folded {
  const lines = text.split("\n");
  let cut = lines.findIndex((_, index) => isQuoteStart(lines, index));
  if (cut < 0) {
    let last = lines.length;
    while (last > 0 && /^\s*(>.*)?$/.test(lines[last - 1] ?? "")) last -= 1;
    if (lines.slice(last).some((line) => line.startsWith(">"))) cut = last;
  }
  if (cut <= 0) return { words: text, quoted: "" };
  const words = lines.slice(0, cut).join("\n").trimEnd();
  if (words.trim() === "") return { words: text, quoted: "" };
  return { words, quoted: lines.slice(cut).join("\n").trim() };
}

export interface Piece {
  /** Where it begins in the text. */
  at: number;
  text: string;
  href?: string;
}

const LINK = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}»]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g;

/** Cuts a text into plain pieces and links: web addresses with their scheme, and mail addresses. */
export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let done = 0;
  for (const match of text.matchAll(LINK)) {
    if (match.index > done) pieces.push({ at: done, text: text.slice(done, match.index) });
    const found = match[0];
    pieces.push({ at: match.index, text: found, href: found.startsWith("http") ? found : `mailto:${found}` });
    done = match.index + found.length;
  }
  if (done < text.length) pieces.push({ at: done, text: text.slice(done) });
  return pieces;
}
