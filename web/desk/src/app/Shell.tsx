import { Bones, Empty } from "@guichet/ui";
import { Button } from "@mantine/core";
import { Component, Suspense, useEffect, type ErrorInfo, type JSX, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { useMe } from "../store/session.ts";
import { listen, useAction } from "./actions.ts";
import { OfflineBar } from "./OfflineBar.tsx";
import { Rail } from "./Rail.tsx";
import { allActions, allOverlays, pagesFor } from "./registry.ts";
import { go, usePart } from "./router.tsx";
import { Toasts } from "./toasts.tsx";

function Broken({ again }: { again(): void }): JSX.Element {
  const { t } = useTranslation();
  return (
    <Empty title={t("app.broken")} hint={t("app.broken_hint")}>
      <Button onClick={again}>{t("app.reload")}</Button>
    </Empty>
  );
}

/** A page that fails takes only itself down: the rail, offers and presence go on. */
class Guard extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override componentDidCatch(error: Error, info: ErrorInfo): void {
    console.error(error, info.componentStack);
  }

  override render(): ReactNode {
    return this.state.failed ? <Broken again={() => location.reload()} /> : this.props.children;
  }
}

function GoTo({ page }: { page: string }): null {
  useAction(`go.${page}`, () => go(`/${page}`));
  return null;
}

/** The window of somebody who is signed in: rail, page, and what is there on every page. */
export function Shell(): JSX.Element {
  const { t } = useTranslation();
  const { role } = useMe();
  const pages = pagesFor(role);
  const part = usePart(0);
  const page = pages.find((one) => one.id === part) ?? pages[0];
  useEffect(() => listen(allActions()), []);
  useEffect(() => {
    if (page && part !== page.id) go(`/${page.id}`, { replace: true });
  }, [page, part]);
  if (!page) return <Empty title={t("app.nothing_allowed")} />;
  const Content = page.component;
  return (
    <div className="shell">
      <a className="skip" href="#main">
        {t("app.skip")}
      </a>
      <OfflineBar />
      <div className="shell-row">
        <Rail pages={pages} current={page.id} />
        <main id="main" className="page" tabIndex={-1}>
          <Guard key={page.id}>
            <Suspense fallback={<Bones rows={12} height={44} label={t("app.loading")} />}>
              <Content />
            </Suspense>
          </Guard>
        </main>
      </div>
      {pages.map((one) => (
        <GoTo key={one.id} page={one.id} />
      ))}
      {allOverlays().map(({ id, component: Overlay }) => (
        <Overlay key={id} />
      ))}
      <Toasts />
      {/* Menus and dialogs are drawn here: within a landmark, and from the window's own corner. */}
      <section id="overlays" aria-label={t("app.overlays")} />
    </div>
  );
}
