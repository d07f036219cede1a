import { useStore } from "zustand";
import { createJSONStorage, persist } from "zustand/middleware";
import { createStore } from "zustand/vanilla";

export type Language = "fr" | "en";
export type Sound = "none" | "bell" | "two_notes" | "knock";

/** What an agent chooses for himself in this browser. */
export interface Settings {
  language: Language;
  theme: "auto" | "light" | "dark";
  density: "compact" | "roomy";
  sound: Sound;
  /** 0 to 1. */
  volume: number;
  notifications: boolean;
  /** Single letters as commands outside text fields (WCAG 2.1.4 asks that they can be turned off). */
  letters: boolean;
  /** The customer's panel is folded away. */
  folded: boolean;
}

const NAME = "guichet.settings";

export const settings = createStore<Settings>()(
  persist(
    (): Settings => ({
      language: navigator.language.startsWith("fr") ? "fr" : "en",
      theme: "auto",
      density: "compact",
      sound: "bell",
      volume: 0.5,
      notifications: false,
      letters: true,
      // Where there is no room beside the thread, the panel lies over it; app.css has the same width.
      folded: innerWidth <= 1100,
    }),
    { name: NAME, storage: createJSONStorage(() => localStorage) },
  ),
);

/** Another window chose something: this one follows. */
export function followSettings(): void {
  addEventListener("storage", (event) => {
    if (event.key === NAME) void settings.persist.rehydrate();
  });
}

export function useSettings<Picked>(select: (state: Settings) => Picked): Picked {
  return useStore(settings, select);
}
