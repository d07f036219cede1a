import type { Refusal } from "@guichet/protocol";
import { createInstance } from "i18next";
import { useCallback, useMemo } from "react";
import { initReactI18next, useTranslation } from "react-i18next";

import { settings, useSettings } from "../store/settings.ts";
import type { adminEn } from "./admin.en.ts";
import { en } from "./en.ts";
import { makeFormat, type Format } from "./format.ts";
import { fr } from "./fr.ts";

type Plural = "_one" | "_other";
type Bare<Name> = Name extends `${infer Stem}${Plural}` ? Stem : Name;

type Words = typeof en & typeof adminEn;

/** The name of a text; plurals without their ending. */
export type Key = Bare<keyof Words>;

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "desk";
    resources: { desk: Words };
    keySeparator: false;
    nsSeparator: false;
  }
}

export const i18n = createInstance();
void i18n.use(initReactI18next).init({
  lng: settings.getState().language,
  fallbackLng: "en",
  defaultNS: "desk",
  resources: { en: { desk: en }, fr: { desk: fr } },
  keySeparator: false,
  nsSeparator: false,
  initAsync: false,
  interpolation: { escapeValue: false },
});

/** Dates, times, durations and numbers in the agent's language. */
export function useFormat(): Format {
  const language = useSettings((chosen) => chosen.language);
  return useMemo(() => makeFormat(language), [language]);
}

/** What a refusal says to people: its own text where there is one, else that of its family. */
export function useRefusalWords(): (refusal: Refusal) => string {
  const { t, i18n: instance } = useTranslation();
  const language = useSettings((chosen) => chosen.language);
  return useCallback(
    (refusal) => {
      const own = `refused.${refusal.code}`;
      if (instance.exists(own)) return t(own as Key, { limit: refusal.limit ?? 0 });
      const family = t(`refused.${refusal.kind}` as Key);
      return language === "en" && refusal.remedy !== "" ? refusal.remedy : family;
    },
    [t, instance, language],
  );
}
