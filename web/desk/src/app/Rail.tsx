import { Tooltip } from "@mantine/core";
import { Keys } from "@guichet/ui";
import type { JSX } from "react";
import { useTranslation } from "react-i18next";

import { PresenceButton } from "../features/presence/PresenceButton.tsx";
import { allActions, type Page } from "./registry.ts";
import { To } from "./router.tsx";

function RailLink({ page, current }: { page: Page; current: boolean }): JSX.Element {
  const { t } = useTranslation();
  const Glyph = page.icon;
  const keys = allActions().find((action) => action.id === `go.${page.id}`)?.keys;
  return (
    <Tooltip
      position="right"
      label={
        <>
          {t(page.label)} {keys !== undefined && <Keys keys={keys} />}
        </>
      }
    >
      <To
        to={`/${page.id}`}
        className="rail-link"
        aria-label={t(page.label)}
        aria-current={current ? "page" : undefined}
      >
        <Glyph size={20} stroke={1.6} />
      </To>
    </Tooltip>
  );
}

/** The narrow column at the left edge: pages, and at its foot what the agent is doing. */
export function Rail({ pages, current }: { pages: readonly Page[]; current: string }): JSX.Element {
  const { t } = useTranslation();
  return (
    <nav className="rail" aria-label={t("app.rail")}>
      {pages
        .filter((page) => !page.foot)
        .map((page) => (
          <RailLink key={page.id} page={page} current={page.id === current} />
        ))}
      <span className="rail-gap" />
      {pages
        .filter((page) => page.foot)
        .map((page) => (
          <RailLink key={page.id} page={page} current={page.id === current} />
        ))}
      <PresenceButton />
    </nav>
  );
}
