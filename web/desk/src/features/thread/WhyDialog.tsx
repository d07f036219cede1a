import { Bones, Empty } from "@guichet/ui";
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { JSX } from "react";
import { useTranslation } from "react-i18next";

import { useFormat, type Key } from "../../i18n/index.ts";
import { http } from "../../net/index.ts";
import { useNames } from "../../store/directory.ts";
import { useMe } from "../../store/session.ts";
import { CRITERIA, decisionFrom, whyLine, whyOther, type Decision } from "../offers/why.ts";
import { Dialog } from "../../shared/Dialog.tsx";

interface DecisionRow {
  offer: string;
  agent: string;
  t: number;
  record: unknown;
}

function Funnel({ decision }: { decision: Decision }): JSX.Element {
  const { t } = useTranslation();
  const format = useFormat();
  const removed = CRITERIA.filter((criterion) => (decision.removed[criterion] ?? 0) > 0);
  return (
    <table className="figures">
      <tbody>
        <tr>
          <th scope="row">{t("why.agents")}</th>
          <td className="num">{format.number(decision.agents)}</td>
        </tr>
        {removed.map((criterion) => (
          <tr key={criterion}>
            <th scope="row" className="soft">
              {t(`why.removed.${criterion}`)}
            </th>
            <td className="num soft">−{format.number(decision.removed[criterion] ?? 0)}</td>
          </tr>
        ))}
        <tr>
          <th scope="row">{t("why.candidates")}</th>
          <td className="num">{format.number(decision.candidates)}</td>
        </tr>
      </tbody>
    </table>
  );
}

function Record({ row }: { row: DecisionRow }): JSX.Element | null {
  const { t, i18n } = useTranslation();
  const { agent } = useMe();
  const format = useFormat();
  const name = useNames("agent");
  const queue = useNames("queue");
  const decision = decisionFrom(row.record);
  if (!decision) return null;
  const line = whyLine(decision);
  const policy = `policy.${decision.policy.split("@")[0] ?? ""}`;
  const idle = (since: number) => format.span(Math.max(0, row.t - since));
  return (
    <article className="why">
      <h3>
        {t("why.offered_to", { name: name(row.agent) })}{" "}
        <span className="soft num" title={format.exact(row.t)}>
          {format.time(row.t)}
        </span>
      </h3>
      <p>
        {row.agent === agent
          ? t(line.key, line.values)
          : t(whyOther(decision), { name: name(row.agent), count: decision.candidates })}
      </p>
      <Funnel decision={decision} />
      <p className="soft">
        {t("why.winner", {
          idle: idle(decision.idle_since),
          load: decision.load,
          waited: format.span(decision.waited),
        })}
      </p>
      {decision.runners_up && decision.runners_up.length > 0 && (
        <>
          <h4>{t("why.runners_up")}</h4>
          <ul className="plain">
            {decision.runners_up.map((one) => (
              <li key={one.agent}>
                {name(one.agent)}{" "}
                <span className="soft">
                  {t("why.idle_load", { idle: idle(one.idle_since), load: one.load })}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
      {decision.other_tasks && decision.other_tasks.length > 0 && (
        <>
          <h4>{t("why.other_tasks")}</h4>
          <ul className="plain">
            {decision.other_tasks.map((one) => (
              <li key={one.task}>
                {queue(one.queue)}{" "}
                <span className="soft">
                  {t("why.priority_waited", {
                    priority: one.priority,
                    waited: format.span(row.t - one.since),
                  })}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
      <p className="soft">
        {t("why.policy", {
          policy: i18n.exists(policy) ? t(policy as Key) : decision.policy,
          config: decision.config,
        })}
      </p>
    </article>
  );
}

/** Why each offer of a task went where it went, in words; the same record that an auditor replays. */
export default function WhyDialog({ task, close }: { task: string; close(): void }): JSX.Element {
  const { t } = useTranslation();
  const decisions = useQuery({
    queryKey: ["decisions", task],
    queryFn: () => http.get<DecisionRow[]>(`/api/tasks/${encodeURIComponent(task)}/decisions`),
  });
  const { agent } = useMe();
  const mine = decisions.data?.some((row) => row.agent === agent) ?? true;
  return (
    <Dialog close={close} title={t(mine ? "why.title" : "why.title_other")} size="lg">
      {decisions.isPending && <Bones rows={4} height={32} label={t("app.loading")} />}
      {decisions.isError && (
        <Empty title={t("why.error")}>
          <Button onClick={() => void decisions.refetch()}>{t("app.retry")}</Button>
        </Empty>
      )}
      {decisions.data?.length === 0 && <Empty title={t("why.none")} hint={t("why.none_hint")} />}
      {decisions.data
        ?.toSorted((a, b) => b.t - a.t)
        .map((row) => (
          <Record key={row.offer} row={row} />
        ))}
    </Dialog>
  );
}
