import { IconArrowBackUp, IconHourglass } from "@tabler/icons-react";
import { memo, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { pathTo, To } from "../../app/router.tsx";
import { ChannelIcon } from "../../shared/channels.tsx";
import { ClientMark } from "../../shared/ClientMark.tsx";
import { Since, Until } from "../../shared/time.tsx";
import { useSeen } from "../../store/seen.ts";
import { useConfig } from "../../store/directory.ts";
import { useOnly } from "../../store/views.ts";
import { dueAt, type WorkItem } from "./items.ts";

function Clock({ item }: { item: WorkItem }): JSX.Element | null {
  const { work, conversation } = item;
  const within = useConfig("queue", work.queue)?.["answer_within_seconds"];
  const bound = (typeof within === "number" ? within : 60) * 1000;
  const at = dueAt(item);
  if (at !== null) {
    const soon = { wrapup: 10_000, parked: 0, assigned: bound / 4, offered: 0 }[work.state];
    return <Until at={at} late={soon} />;
  }
  const since = conversation?.waiting_since ?? null;
  if (since === null) return null;
  return <Since at={since} late={bound / 2} veryLate={bound} />;
}

/** One conversation in hand: channel, customer, client, what was said last, and how long the customer waits. */
export const WorkRowView = memo(function WorkRowView({
  item,
  chosen,
}: {
  item: WorkItem;
  chosen: boolean;
}): JSX.Element {
  const { t } = useTranslation();
  const { work } = item;
  // Each line watches its own conversation, for as long as it is on the screen.
  const conversation = useOnly("conversation", work.conversation) ?? null;
  const seen = useSeen(work.conversation);
  const unread =
    !chosen && conversation !== null && conversation.last_author === "customer" && conversation.n > seen;
  const ours =
    conversation !== null && conversation.last_author !== "customer" && conversation.last_words !== null;
  const name = conversation && (conversation.customer_name || t("customer.nameless"));
  return (
    <To
      to={pathTo("work", work.conversation)}
      className="work-row"
      data-row
      data-unread={unread || undefined}
      aria-current={chosen ? "true" : undefined}
    >
      <ChannelIcon channel={conversation?.channel} />
      <span className="work-row-body">
        <span className="work-row-line">
          <span className="work-row-name cut">{name}</span>
          <ClientMark client={work.client} />
          <span className="work-row-gap" />
          <Clock item={{ work, conversation }} />
        </span>
        <span className="work-row-line">
          {work.state === "wrapup" && (
            <span className="tag" data-tone="warn">
              <IconHourglass size={12} aria-hidden /> {t("work.wrapup")}
            </span>
          )}
          {ours && (
            <IconArrowBackUp size={13} className="soft" role="img" aria-label={t("work.we_answered")} />
          )}
          <span className="work-row-words cut">
            {conversation?.subject_line && (
              <span className="work-row-subject">{conversation.subject_line} </span>
            )}
            {conversation &&
              (conversation.last_words || (conversation.subject_line ? "" : t("work.no_words")))}
          </span>
          {unread && (
            <span className="unread">
              <span className="hidden">{t("work.unread")}</span>
            </span>
          )}
        </span>
      </span>
    </To>
  );
});
