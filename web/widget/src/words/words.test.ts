import { describe, expect, it } from "vitest";
import { en } from "./en.ts";
import { fr } from "./fr.ts";
import { pickLanguage, waitingWords, words } from "./index.ts";

const placeholders = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map((m) => m[0]).toSorted();

describe("both languages", () => {
  it("have the same keys and the same placeholders", () => {
    expect(Object.keys(en)).toEqual(Object.keys(fr));
    for (const key of Object.keys(fr) as (keyof typeof fr)[])
      expect([key, ...placeholders(en[key])]).toEqual([key, ...placeholders(fr[key])]);
  });

  it("say something everywhere", () => {
    for (const text of [...Object.values(fr), ...Object.values(en)]) expect(text.trim()).not.toBe("");
  });

  it("French has a non-breaking space before : ; ! ?", () => {
    for (const [key, text] of Object.entries(fr))
      expect([key, /(^|[^\u00a0\u202f])[:;!?]/.test(text)]).toEqual([key, false]);
  });
});

describe("waiting", () => {
  const say = words("en");
  it.each([
    [{ place: 4, low_s: 130, high_s: 230 }, "3 people before you. About 2 to 4 minutes to wait."],
    [{ place: 2, low_s: 70, high_s: 110 }, "1 person before you. About 1 to 2 minutes to wait."],
    [{ place: 2, low_s: 10, high_s: 110 }, "1 person before you. About 2 minutes to wait."],
    [{ place: 1, low_s: 5, high_s: 40 }, "You are first in line. Less than a minute to wait."],
    [{ place: 3 }, "2 people before you. We cannot tell yet how long you will wait."],
  ])("%o reads %s", (waiting, text) => {
    expect(waitingWords(say, waiting)).toBe(text);
  });
});

it("picks the first language that it can speak", () => {
  expect(pickLanguage(undefined, "de-AT", "fr-CA")).toBe("fr");
  expect(pickLanguage(null, "", "de")).toBe("en");
});

it("writes sizes, countries and counts as each language does", () => {
  expect(words("fr").country("MA")).toBe("Maroc");
  expect(words("en").size(1_540_000)).toBe("1.5 MB");
  expect(words("fr").count("before", 0)).toBe("0 personne avant vous.");
});
