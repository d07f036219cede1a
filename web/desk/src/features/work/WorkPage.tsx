import type { ConversationRow } from "@guichet/protocol";
import { Empty, Keys } from "@guichet/ui";
import { Button } from "@mantine/core";
import { useEffect, useRef, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { useAction } from "../../app/actions.ts";
import { go, pathTo, usePart } from "../../app/router.tsx";
import { useRefusalWords } from "../../i18n/index.ts";
import { settings, useSettings } from "../../store/settings.ts";
import { useView, type View } from "../../store/views.ts";
import { Composer } from "../composer/Composer.tsx";
import { CustomerPanel } from "../customer/CustomerPanel.tsx";
import { Thread } from "../thread/Thread.tsx";
import { ThreadHeader } from "../thread/ThreadHeader.tsx";
import { Wrapup } from "../wrapup/Wrapup.tsx";
import { nextAfter, walk } from "./items.ts";
import { useMyWork, useWork } from "./useWork.ts";
import { WorkList } from "./WorkList.tsx";

function step(order: readonly string[], from: string | undefined, by: 1 | -1): void {
  if (order.length === 0) return;
  const here = from === undefined ? -1 : order.indexOf(from);
  const next = order[(here + by + order.length) % order.length];
  if (next !== undefined) go(pathTo("work", next));
}

/** One conversation: what was said, where one answers, and who the customer is. */
function Case({ conversation, leave }: { conversation: string; leave(): void }): JSX.Element {
  const { t } = useTranslation();
  const words = useRefusalWords();
  const mine = useMyWork(conversation);
  const folded = useSettings((chosen) => chosen.folded);
  const refused = useView("conversation", conversation, (view: View<ConversationRow>) => view.refused);
  if (refused) {
    return (
      <section className="work-middle">
        <h1 className="hidden">{t("thread.title")}</h1>
        <Empty title={t("thread.refused")} hint={words(refused)}>
          <Button variant="default" onClick={leave}>
            {t("app.back")}
          </Button>
        </Empty>
      </section>
    );
  }
  return (
    <>
      <section className="work-middle" aria-label={t("thread.title")}>
        <ThreadHeader conversation={conversation} mine={mine} leave={leave} />
        <Thread conversation={conversation} key={conversation} />
        {mine?.state === "wrapup" ? (
          <Wrapup work={mine} key={mine.task} leave={leave} />
        ) : (
          <Composer conversation={conversation} mine={mine} key={`composer ${conversation}`} />
        )}
      </section>
      {!folded && <CustomerPanel conversation={conversation} />}
    </>
  );
}

/** The agent's window: what there is to do, the conversation in hand, and the customer. */
export function WorkPage(): JSX.Element {
  const { t } = useTranslation();
  const conversation = usePart(1);
  const { ready, sections } = useWork();
  const folded = useSettings((chosen) => chosen.folded);
  const order = walk(sections);
  const first = order[0];

  const left = useRef<string | null>(null);

  // Nothing is chosen: the one that waits longest is opened, as that is what one would choose. One that has
  // just left one's hands may still be in the list for a moment.
  const wide = innerWidth > 760;
  useEffect(() => {
    if (ready && conversation === undefined && first !== undefined && first !== left.current && wide)
      go(pathTo("work", first), { replace: true });
  }, [ready, conversation, first, wide]);

  useAction("work.next", order.length > 0 ? () => step(order, conversation, 1) : null);
  useAction("work.previous", order.length > 0 ? () => step(order, conversation, -1) : null);
  useAction("customer.fold", () => settings.setState((chosen) => ({ folded: !chosen.folded })));

  function leave(): void {
    left.current = conversation ?? null;
    const next = conversation === undefined ? null : nextAfter(sections, conversation);
    go(next === null ? "/work" : pathTo("work", next));
  }

  return (
    <div
      className="work"
      data-open={conversation !== undefined || undefined}
      data-folded={folded || undefined}
    >
      {conversation === undefined && <h1 className="hidden">{t("page.work")}</h1>}
      <WorkList sections={sections} ready={ready} chosen={conversation} />
      {conversation === undefined ? (
        <section className="work-middle">
          <Empty title={t("work.none_chosen")} hint={t("work.none_chosen_hint")}>
            <span className="soft">
              <Keys keys="?" /> {t("keymap.title")}
            </span>
          </Empty>
        </section>
      ) : (
        <Case conversation={conversation} leave={leave} />
      )}
    </div>
  );
}
