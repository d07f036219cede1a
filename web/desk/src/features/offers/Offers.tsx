import { Keys, Ring } from "@guichet/ui";
import { Button } from "@mantine/core";
import { useEffect, useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { useAction } from "../../app/actions.ts";
import { go, pathTo } from "../../app/router.tsx";
import { report } from "../../app/toasts.tsx";
import { ChannelIcon } from "../../shared/channels.tsx";
import { ClientMark } from "../../shared/ClientMark.tsx";
import { Since, useNow } from "../../shared/time.tsx";
import { serverNow } from "../../net/index.ts";
import { useConfig, useName } from "../../store/directory.ts";
import { commands } from "../../store/commands.ts";
import { useMe } from "../../store/session.ts";
import { useOnly } from "../../store/views.ts";
import { expectComposer } from "../composer/handle.ts";
import type { WorkItem } from "../work/items.ts";
import { decisionFrom, whyLine } from "./why.ts";

/** Seconds left under which the ring grows thick. */
const URGENT = 6;

function OfferCard({ item, first }: { item: WorkItem; first: boolean }): JSX.Element {
  const { t } = useTranslation();
  const { work, conversation } = item;
  const now = useNow();
  const queue = useName("queue", work.queue);
  const seconds = useConfig("organisation", "organisation")?.["offer_seconds"];
  const [asked, setAsked] = useState<"accept" | "decline" | null>(null);
  const decision = decisionFrom(work.why);
  const line = decision && whyLine(decision);
  const total = typeof seconds === "number" ? seconds : 20;
  const left = work.deadline === null ? total : Math.ceil((work.deadline - now) / 1000);
  const name = conversation?.customer_name || t("customer.nameless");

  function answer(how: "accept" | "decline"): void {
    if (asked !== null || work.offer === null) return;
    setAsked(how);
    const sent = how === "accept" ? commands.acceptOffer(work.offer) : commands.declineOffer(work.offer);
    // The thread opens at once: the words are there before the server has said yes.
    if (how === "accept" && !isTyping()) {
      expectComposer(work.conversation);
      go(pathTo("work", work.conversation));
    }
    sent.catch((error: unknown) => {
      setAsked(null);
      report(error);
    });
  }

  useAction("offer.accept", first && asked === null ? () => answer("accept") : null);
  useAction("offer.decline", first && asked === null ? () => answer("decline") : null);

  return (
    <article className="offer" aria-label={t("offer.card", { name })} data-asked={asked ?? undefined}>
      <Ring left={left} total={total} urgent={left <= URGENT} />
      <div className="offer-body">
        <div className="work-row-line">
          <ChannelIcon channel={conversation?.channel} />
          <strong className="cut">{name}</strong>
          <span className="work-row-gap" />
          <Since at={conversation?.waiting_since ?? work.since} />
        </div>
        <div className="work-row-line soft">
          <ClientMark client={work.client} whole />
          <span className="cut">{queue}</span>
        </div>
        {(conversation?.last_words || conversation?.subject_line) && (
          <p className="offer-words">{conversation.last_words || conversation.subject_line}</p>
        )}
        {line && <p className="offer-why soft">{t(line.key, line.values)}</p>}
      </div>
      <div className="offer-acts">
        <Button
          size="xs"
          loading={asked === "accept"}
          disabled={asked !== null}
          onClick={() => answer("accept")}
        >
          {t("offer.accept")}
        </Button>
        {first && <Keys keys="Alt+Enter" />}
        <span className="work-row-gap" />
        <Button size="xs" variant="default" disabled={asked !== null} onClick={() => answer("decline")}>
          {t("offer.decline")}
        </Button>
        {first && <Keys keys="Alt+Backspace" />}
      </div>
    </article>
  );
}

/** Somebody in the middle of a sentence stays there: the accepted conversation joins the list. */
function isTyping(): boolean {
  const focused = document.activeElement;
  return focused instanceof HTMLTextAreaElement && focused.value.trim() !== "";
}

/** Offers missed in a row: no more come until the agent says so. One click. */
function Missed(): JSX.Element | null {
  const { t } = useTranslation();
  const { agent } = useMe();
  const state = useOnly("me", agent);
  if (state?.presence !== "missed") return null;
  return (
    <article className="offer missed" aria-label={t("presence.missed")}>
      <div className="offer-body">
        <strong>{t("missed.title")}</strong>
        <p className="soft">{t("missed.hint")}</p>
        <div className="offer-acts">
          <Button size="xs" onClick={() => void commands.setPresence("available", null).catch(report)}>
            {t("missed.back")}
          </Button>
          <Keys keys="Alt+1" />
        </div>
      </div>
    </article>
  );
}

/** The last missed offer, for a while after it went: where it is now. */
function useJustMissed(items: readonly WorkItem[]): boolean {
  const [missed, setMissed] = useState(false);
  const [before, setBefore] = useState<readonly WorkItem[]>(items);
  if (before !== items) {
    const gone = before.some(
      ({ work }) =>
        work.deadline !== null &&
        work.deadline <= serverNow() + 300 &&
        !items.some((item) => item.work.offer === work.offer),
    );
    setBefore(items);
    if (gone) setMissed(true);
  }
  useEffect(() => {
    if (!missed) return undefined;
    const timer = setTimeout(() => setMissed(false), 12_000);
    return () => clearTimeout(timer);
  }, [missed]);
  return missed;
}

/** The cards on top of the work list. They never take the focus: one may be in the middle of a word. */
export function Offers({ items }: { items: readonly WorkItem[] }): JSX.Element {
  const { t } = useTranslation();
  const missed = useJustMissed(items);
  return (
    <div className="offers">
      <Missed />
      {items.map((item, index) => (
        <OfferCard key={item.work.offer ?? item.work.task} item={item} first={index === 0} />
      ))}
      {missed && items.length === 0 && (
        <p className="offers-gone soft" role="status">
          {t("offer.gone")}
        </p>
      )}
    </div>
  );
}
