import type { JSX, ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { settings, useSettings } from "../store/settings.ts";

/** The frame of the pages that are there before sign-in. */
export function Door({
  title,
  hint,
  children,
}: {
  title: string;
  hint?: string | undefined;
  children: ReactNode;
}): JSX.Element {
  const { t } = useTranslation();
  const language = useSettings((chosen) => chosen.language);
  const other = language === "fr" ? "en" : "fr";
  return (
    <main className="door">
      <div className="door-box">
        <p className="door-name">
          <span aria-hidden className="door-mark" />
          {"Guichet"}
        </p>
        <h1>{title}</h1>
        {hint !== undefined && <p className="soft">{hint}</p>}
        {children}
      </div>
      <button
        type="button"
        className="ui-link"
        lang={other}
        onClick={() => settings.setState({ language: other })}
      >
        {t(other === "fr" ? "settings.french" : "settings.english")}
      </button>
    </main>
  );
}
