import type { QueueStateRow } from "@guichet/protocol";
import type { JSX } from "react";
import { useTranslation } from "react-i18next";

import { useFormat } from "../../i18n/index.ts";
import { ClientMark } from "../../shared/ClientMark.tsx";
import { Since } from "../../shared/time.tsx";
import { useConfig, useName } from "../../store/directory.ts";
import { inTime, totals, type Figured } from "./figures.ts";

function Figures({ row, bound }: { row: Figured; bound: number }): JSX.Element {
  const format = useFormat();
  const share = inTime(row);
  return (
    <>
      <td className="num" data-strong={row.waiting > 0 || undefined}>
        {format.number(row.waiting)}
      </td>
      <td className="num">
        {row.oldest === null ? "–" : <Since at={row.oldest} late={bound / 2} veryLate={bound} />}
      </td>
      <td className="num">{format.number(row.offered)}</td>
      <td className="num">{format.number(row.assigned)}</td>
      <td className="num">{share === null ? "–" : format.percent(share)}</td>
      <td className="num">{format.number(row.answered_today)}</td>
      <td className="num">{format.number(row.abandoned_today)}</td>
    </>
  );
}

function QueueRow({ row, open, chosen }: { row: QueueStateRow; open(): void; chosen: boolean }): JSX.Element {
  const { t } = useTranslation();
  const name = useName("queue", row.queue);
  const within = useConfig("queue", row.queue)?.["answer_within_seconds"];
  const bound = (typeof within === "number" ? within : 60) * 1000;
  return (
    <tr aria-current={chosen ? "true" : undefined} onClick={open}>
      <th scope="row">
        <button type="button" className="bare cut" onClick={open}>
          {name}
        </button>{" "}
        {!row.open && <span className="tag">{t("queues.closed")}</span>}
      </th>
      <td>
        <ClientMark client={row.client} whole />
      </td>
      <Figures row={row} bound={bound} />
    </tr>
  );
}

interface QueueTableProps {
  rows: readonly QueueStateRow[];
  chosen: string | null;
  open(queue: string): void;
}

/** Every queue: who waits, how long, and how the day goes. A click leads down to the single case. */
export function QueueTable({ rows, chosen, open }: QueueTableProps): JSX.Element {
  const { t } = useTranslation();
  const sorted = rows.toSorted((a, b) => a.client.localeCompare(b.client) || a.queue.localeCompare(b.queue));
  return (
    <table className="queues">
      <caption className="hidden">{t("page.queues")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("queues.queue")}</th>
          <th scope="col">{t("queues.client")}</th>
          <th scope="col">{t("queues.waiting")}</th>
          <th scope="col">{t("queues.oldest")}</th>
          <th scope="col">{t("queues.offered")}</th>
          <th scope="col">{t("queues.assigned")}</th>
          <th scope="col">{t("queues.in_time")}</th>
          <th scope="col">{t("queues.answered")}</th>
          <th scope="col">{t("queues.abandoned")}</th>
        </tr>
      </thead>
      <tbody>
        {sorted.map((row) => (
          <QueueRow key={row.queue} row={row} chosen={row.queue === chosen} open={() => open(row.queue)} />
        ))}
      </tbody>
      {sorted.length > 1 && (
        <tfoot>
          <tr>
            <th scope="row">{t("queues.all")}</th>
            <td>{"\u00a0"}</td>
            <Figures row={totals(sorted)} bound={Infinity} />
          </tr>
        </tfoot>
      )}
    </table>
  );
}
