import { expect, it } from "vitest";
import { contrast, palette, parse } from "./colour.ts";

const rgb = (css: string): [number, number, number] =>
  css.match(/\d+/g)?.map(Number) as [number, number, number];

it("keeps words at 4.5 or better whatever colour a client chose, on light and dark", () => {
  for (let i = 0; i < 4096; i += 7) {
    const hex = `#${i.toString(16).padStart(3, "0")}`;
    for (const surface of ["#ffffff", "#1b1e23"]) {
      const { accent, onAccent, ink } = palette(hex, surface);
      const worst = Math.min(contrast(rgb(accent), rgb(onAccent)), contrast(rgb(ink), parse(surface)));
      expect([hex, worst >= 4.5]).toEqual([hex, true]);
    }
  }
});

it("leaves a colour alone that reads well already", () => {
  expect(palette("#1f5f8b", "#ffffff").ink).toBe("rgb(31 95 139)");
});

it("takes the default for what is no colour", () => {
  expect(parse("red; background: url(x)")).toEqual(parse("#1f5f8b"));
});
