type Rgb = [number, number, number];

/** "#1f5f8b" or "#abc"; anything else gives the calm default. */
export function parse(hex: string): Rgb {
  const long =
    /^#?([0-9a-f]{6})$/i.exec(hex)?.[1] ?? /^#?([0-9a-f]{3})$/i.exec(hex)?.[1]?.replace(/./g, "$&$&");
  const value = Number.parseInt(long ?? "1f5f8b", 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** WCAG contrast of two colours, 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];

export interface Palette {
  /** The client's own colour, as a ground. */
  accent: string;
  /** Words on it: white or black, whichever reads better (never under 4.5). */
  onAccent: string;
  /** The same hue, moved until it reads at 4.5 on the surface: links, icons, focus. */
  ink: string;
}

export function palette(hex: string, surface: string): Palette {
  const accent = parse(hex);
  const onAccent =
    contrast(accent, WHITE) >= 4.5 || contrast(accent, WHITE) > contrast(accent, BLACK) ? WHITE : BLACK;
  const ground = parse(surface);
  const towards = luminance(ground) > 0.4 ? BLACK : WHITE;
  let ink = accent;
  for (let step = 1; contrast(ink, ground) < 4.5 && step <= 20; step++) ink = mix(accent, towards, step / 20);
  return { accent: css(accent), onAccent: css(onAccent), ink: css(ink) };
}

function luminance([r, g, b]: Rgb): number {
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

function linear(value: number): number {
  const share = value / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

const mix = (a: Rgb, b: Rgb, share: number): Rgb =>
  a.map((v, i) => Math.round(v + ((b[i] ?? 0) - v) * share)) as Rgb;
const css = ([r, g, b]: Rgb): string => `rgb(${r} ${g} ${b})`;
