import type { LegRow, MessageRow } from "@guichet/protocol";
import { Bones, Empty } from "@guichet/ui";
import { IconArrowDown } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { report } from "../../app/toasts.tsx";
import { useFormat, useRefusalWords } from "../../i18n/index.ts";
import { address, http } from "../../net/index.ts";
import { useUnanswered } from "../../store/commands.ts";
import { markSeen } from "../../store/seen.ts";
import { useMe } from "../../store/session.ts";
import { useOnly, useView, type View } from "../../store/views.ts";
import { itemsOf, type ThreadItem } from "./items.ts";
import { EventLine, MessageLine } from "./MessageLine.tsx";

/** Pixels from the end within which the thread follows new messages. */
const NEAR = 80;
const PAGE = 200;

function guess(item: ThreadItem | undefined): number {
  if (!item || item.kind === "day") return 32;
  if (item.kind === "event") return 24;
  const lines = Math.ceil((item.row.text ?? "").length / 90) + (item.row.text ?? "").split("\n").length - 1;
  return (
    (item.head ? 26 : 0) + Math.max(1, Math.min(lines, 30)) * 20 + (item.row.attachments?.length ? 120 : 0)
  );
}

function useOlder(
  conversation: string,
  first: number | undefined,
): { rows: MessageRow[]; more: boolean; load(): Promise<void> } {
  const [rows, setRows] = useState<MessageRow[]>([]);
  const start = rows[0]?.n ?? first;
  async function load(): Promise<void> {
    if (start === undefined) return;
    const path = `/api/conversations/${encodeURIComponent(conversation)}/messages`;
    try {
      const earlier = await http.get<MessageRow[]>(address(path, { before: start, limit: PAGE }));
      setRows((known) => [...earlier, ...known]);
    } catch (error) {
      report(error);
    }
  }
  return { rows, more: start !== undefined && start > 1, load };
}

/** Everything said in a conversation, whatever the channel, with what is still under way. */
export function Thread({ conversation }: { conversation: string }): JSX.Element {
  const { t } = useTranslation();
  const format = useFormat();
  const words = useRefusalWords();
  const { agent } = useMe();
  const rows = useView("thread", conversation, (view: View<MessageRow>) => view.rows);
  const ready = useView("thread", conversation, (view: View<MessageRow>) => view.ready);
  const refused = useView("thread", conversation, (view: View<MessageRow>) => view.refused);
  const customer = useOnly("conversation", conversation)?.customer_name || t("customer.nameless");
  const unanswered = useUnanswered(conversation);
  const first = useMemo(
    () => (rows.length === 0 ? undefined : Math.min(...rows.map((row) => row.n))),
    [rows],
  );
  const older = useOlder(conversation, first);
  const legs = useView("legs", conversation, (view: View<LegRow>) => view.rows);
  const items = useMemo(
    () => itemsOf([...older.rows, ...rows], legs, unanswered, agent),
    [older.rows, rows, legs, unanswered, agent],
  );

  const scroller = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const [behind, setBehind] = useState(false);
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => guess(items[index]),
    getItemKey: (index) => items[index]?.key ?? index,
    overscan: 12,
  });
  const height = virtual.getTotalSize();

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element && follows.current) element.scrollTop = element.scrollHeight;
    else if (element) setBehind(true);
  }, [items.length, height]);

  // The composer grows, a picture arrives: whoever was at the end stays there.
  useEffect(() => {
    const element = scroller.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => {
      if (follows.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [ready]);

  const lastN = rows.reduce((most, row) => Math.max(most, row.n), 0);
  useEffect(() => {
    if (lastN === 0) return undefined;
    const see = () => {
      if (!document.hidden) markSeen(conversation, lastN);
    };
    see();
    document.addEventListener("visibilitychange", see);
    return () => document.removeEventListener("visibilitychange", see);
  }, [conversation, lastN]);

  function scrolled(): void {
    const element = scroller.current;
    if (!element) return;
    follows.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
    if (follows.current) setBehind(false);
  }

  function toEnd(): void {
    follows.current = true;
    setBehind(false);
    scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
  }

  if (refused) return <Empty title={t("thread.refused")} hint={words(refused)} />;
  if (!ready) {
    return (
      <div className="thread">
        <Bones rows={10} height={44} label={t("app.loading")} />
      </div>
    );
  }
  return (
    <div className="thread-frame">
      <div
        ref={scroller}
        className="thread"
        role="log"
        aria-label={t("thread.title")}
        // Scrollable regions must be reachable by keyboard (axe: scrollable-region-focusable).
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        onScroll={scrolled}
      >
        {older.more && (
          <button type="button" className="ui-link thread-older" onClick={() => void older.load()}>
            {t("thread.older")}
          </button>
        )}
        <div style={{ height, position: "relative" }}>
          {virtual.getVirtualItems().map((line) => {
            const item = items[line.index];
            return (
              item && (
                <div
                  key={line.key}
                  data-index={line.index}
                  ref={virtual.measureElement}
                  className="thread-item"
                  style={{ transform: `translateY(${line.start}px)` }}
                >
                  {item.kind === "day" ? (
                    <h2 className="day soft">
                      <span>{format.day(item.at)}</span>
                    </h2>
                  ) : item.kind === "event" ? (
                    <EventLine at={item.at} event={item.event} agent={item.agent} />
                  ) : (
                    <MessageLine row={item.row} head={item.head} pending={item.pending} customer={customer} />
                  )}
                </div>
              )
            );
          })}
        </div>
      </div>
      {behind && (
        <button type="button" className="thread-behind" onClick={toEnd}>
          <IconArrowDown size={14} aria-hidden /> {t("thread.to_end")}
        </button>
      )}
    </div>
  );
}
