import type { AgentStateRow, QueueStateRow } from "@guichet/protocol";
import { Bones, Empty } from "@guichet/ui";
import type { JSX } from "react";
import { useTranslation } from "react-i18next";

import { useQuery as useAddress } from "../../app/router.tsx";
import { useFormat, useRefusalWords } from "../../i18n/index.ts";
import { useMe } from "../../store/session.ts";
import { useView, type View } from "../../store/views.ts";
import { AgentsGrid } from "./AgentsGrid.tsx";
import { CaseDrawer, type Shown } from "./CaseDrawer.tsx";
import { inTime, totals } from "./figures.ts";
import { QueueTable } from "./QueueTable.tsx";

/** What a leader looks at all day: queues, agents, and beside them the case in question. */
export default function LeaderPage(): JSX.Element {
  const { t } = useTranslation();
  const format = useFormat();
  const words = useRefusalWords();
  const { organisation } = useMe();
  const queues = useView("queues", organisation, (view: View<QueueStateRow>) => view);
  const agents = useView("agents", organisation, (view: View<AgentStateRow>) => view);
  const [address, change] = useAddress();
  const shown: Shown = {
    queue: address.get("queue"),
    agent: address.get("agent"),
    conversation: address.get("conversation"),
  };
  function show(next: Partial<Shown>): void {
    change(Object.fromEntries(Object.entries(next).map(([name, value]) => [name, value ?? ""])));
  }
  if (queues.refused) return <Empty title={t("app.forbidden")} hint={words(queues.refused)} />;
  const all = totals(queues.rows);
  const share = inTime(all);

  return (
    <div className="sheet leader">
      <header className="sheet-head">
        <h1>{t("page.queues")}</h1>
        {queues.ready && (
          <p className="soft">
            {all.waiting === 0 ? t("queues.nobody") : t("queues.waiting_now", { count: all.waiting })}{" "}
            {t("queues.answered_today", { count: all.answered_today })}{" "}
            {share !== null && t("queues.share_in_time", { share: format.percent(share) })}
          </p>
        )}
      </header>
      {!queues.ready && <Bones rows={6} height={36} label={t("app.loading")} />}
      {queues.ready && queues.rows.length === 0 && (
        <Empty title={t("queues.none")} hint={t("queues.none_hint")} />
      )}
      {queues.rows.length > 0 && (
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- scrollable regions must be focusable
        <section className="queues-frame" tabIndex={0} aria-label={t("page.queues")}>
          <QueueTable
            rows={queues.rows}
            chosen={shown.queue}
            open={(queue) => show({ queue, agent: null, conversation: null })}
          />
        </section>
      )}
      {agents.ready ? (
        <AgentsGrid
          rows={agents.rows}
          chosen={shown.agent}
          open={(agent) => show({ agent, queue: null, conversation: null })}
        />
      ) : (
        <Bones rows={8} height={36} label={t("app.loading")} />
      )}
      <CaseDrawer shown={shown} agents={agents.rows} change={show} />
    </div>
  );
}
