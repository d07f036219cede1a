import type { TaskRow } from "@guichet/protocol";
import { Bones, Empty, VirtualList } from "@guichet/ui";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import { useMemo, useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { pathTo, To } from "../../app/router.tsx";
import { ClientMark } from "../../shared/ClientMark.tsx";
import { Since } from "../../shared/time.tsx";
import { useName } from "../../store/directory.ts";
import { useMe } from "../../store/session.ts";
import { useSettings } from "../../store/settings.ts";
import { useView, type View } from "../../store/views.ts";
import { Offers } from "../offers/Offers.tsx";
import type { Section, Sections, WorkItem } from "./items.ts";
import { WorkRowView } from "./WorkRowView.tsx";

type Line =
  | { kind: "title"; section: Section; count: number }
  | { kind: "item"; item: WorkItem }
  | { kind: "queued"; task: TaskRow }
  | { kind: "queues"; count: number };

const ORDER: readonly Section[] = ["live", "deferred", "parked"];

function linesOf(sections: Sections): Line[] {
  return ORDER.flatMap((section) => {
    const items = sections[section];
    if (items.length === 0) return [];
    return [
      { kind: "title" as const, section, count: items.length },
      ...items.map((item) => ({ kind: "item" as const, item })),
    ];
  });
}

function keyOf(line: Line): string {
  switch (line.kind) {
    case "title":
      return `title ${line.section}`;
    case "item":
      return line.item.work.task;
    case "queued":
      return `queued ${line.task.task}`;
    default:
      return "queues";
  }
}

function QueuedRow({ task, chosen }: { task: TaskRow; chosen: boolean }): JSX.Element {
  const queue = useName("queue", task.queue);
  return (
    <To
      to={pathTo("work", task.conversation)}
      className="work-row"
      data-row
      aria-current={chosen ? "true" : undefined}
    >
      <span className="work-row-body">
        <span className="work-row-line">
          <span className="cut">{queue}</span>
          <ClientMark client={task.client} />
          <span className="work-row-gap" />
          <Since at={task.since} />
        </span>
      </span>
    </To>
  );
}

/** Everything an agent has in hand: offers on top, then live, deferred and parked; last, what waits in the queues. */
export function WorkList({
  sections,
  ready,
  chosen,
}: {
  sections: Sections;
  ready: boolean;
  chosen: string | undefined;
}): JSX.Element {
  const { t } = useTranslation();
  const { organisation } = useMe();
  const rowHeight = useSettings((settings) => (settings.density === "compact" ? 44 : 52));
  const tasks = useView("waiting", organisation, (view: View<TaskRow>) => view.rows);
  const [open, setOpen] = useState(false);
  const queued = useMemo(
    () => tasks.filter((task) => task.state === "queued").toSorted((a, b) => a.since - b.since),
    [tasks],
  );
  const lines = useMemo(() => {
    const mine = linesOf(sections);
    if (queued.length === 0) return mine;
    const shown = open ? queued.map((task) => ({ kind: "queued" as const, task })) : [];
    return [...mine, { kind: "queues" as const, count: queued.length }, ...shown];
  }, [sections, queued, open]);
  const mine = lines
    .flatMap((one) => (one.kind === "item" ? [one.item.work] : []))
    .find((work) => work.conversation === chosen);
  const nothing = ready && lines.length === 0 && sections.offers.length === 0;

  function line(one: Line): JSX.Element {
    switch (one.kind) {
      case "title":
        return (
          <h2 className="list-title">
            {t(`work.${one.section}`)} <span className="num">{one.count}</span>
          </h2>
        );
      case "item":
        return <WorkRowView item={one.item} chosen={one.item.work.conversation === chosen} />;
      case "queued":
        return <QueuedRow task={one.task} chosen={one.task.conversation === chosen} />;
      default:
        return (
          <button
            type="button"
            className="list-title bare"
            data-row
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          >
            {open ? <IconChevronDown size={14} aria-hidden /> : <IconChevronRight size={14} aria-hidden />}
            {t("work.queues")} <span className="num">{one.count}</span>
          </button>
        );
    }
  }

  return (
    <section className="work-list" aria-label={t("page.work")}>
      <Offers items={sections.offers} />
      {!ready && <Bones rows={8} height={rowHeight} label={t("app.loading")} />}
      {nothing && <Empty title={t("work.nobody")} hint={t("work.nobody_hint")} />}
      {ready && !nothing && (
        <VirtualList
          items={lines}
          keyOf={keyOf}
          chosen={mine?.task}
          heightOf={(one) => (one.kind === "item" ? rowHeight : one.kind === "queued" ? 36 : 30)}
          label={t("page.work")}
          render={line}
        />
      )}
    </section>
  );
}
