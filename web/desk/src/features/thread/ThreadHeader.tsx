import type { ConversationRow, TaskRow, WorkRow } from "@guichet/protocol";
import { IconButton, Keys } from "@guichet/ui";
import { Button, Menu } from "@mantine/core";
import { IconArrowLeft, IconDots, IconLayoutSidebarRight, IconTag } from "@tabler/icons-react";
import { lazy, Suspense, useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { useAction } from "../../app/actions.ts";
import { go } from "../../app/router.tsx";
import { report } from "../../app/toasts.tsx";
import { useFormat } from "../../i18n/index.ts";
import { serverNow } from "../../net/index.ts";
import { ChannelIcon } from "../../shared/channels.tsx";
import { ClientMark } from "../../shared/ClientMark.tsx";
import { Since } from "../../shared/time.tsx";
import { commands } from "../../store/commands.ts";
import { useConfig, useName, useNames } from "../../store/directory.ts";
import { useMe } from "../../store/session.ts";
import { settings, useSettings } from "../../store/settings.ts";
import { useOnly, useView, type View } from "../../store/views.ts";
import { expectComposer } from "../composer/handle.ts";
import { parkTimes } from "./park.ts";

const TransferDialog = lazy(() => import("../transfer/TransferDialog.tsx"));
const TagDialog = lazy(() => import("./TagDialog.tsx"));
const WhyDialog = lazy(() => import("./WhyDialog.tsx"));

type Dialog = "transfer" | "tag" | "why" | null;

function ParkMenu({ park }: { park(until: number | null): void }): JSX.Element {
  const { t } = useTranslation();
  const format = useFormat();
  const times = parkTimes(serverNow());
  return (
    <Menu position="bottom-end" width={284}>
      <Menu.Target>
        <Button variant="default">{t("thread.park")}</Button>
      </Menu.Target>
      <Menu.Dropdown>
        {times.map(({ label, until }) => (
          <Menu.Item
            key={label}
            rightSection={
              until === null ? (
                <Keys keys="z" />
              ) : (
                <span className="soft num">{format.when(until, serverNow())}</span>
              )
            }
            onClick={() => park(until)}
          >
            {t(label)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function Facts({ row }: { row: ConversationRow }): JSX.Element {
  const { t } = useTranslation();
  const queue = useName("queue", row.queue);
  const holder = useName("agent", row.agent);
  const tagName = useNames("tag");
  const { agent } = useMe();
  const within = useConfig("queue", row.queue)?.["answer_within_seconds"];
  const bound = (typeof within === "number" ? within : 60) * 1000;
  return (
    <div className="thread-facts soft">
      <ClientMark client={row.client} whole />
      <span className="cut">{queue}</span>
      <span>
        {t(`state.${row.state}`)}
        {row.agent !== null && row.agent !== agent && ` · ${holder}`}
      </span>
      {row.waiting_since !== null && row.state !== "closed" && (
        <span className="thread-waits">
          {t("thread.waits")} <Since at={row.waiting_since} late={bound / 2} veryLate={bound} />
        </span>
      )}
      {row.left_at !== null && row.state !== "closed" && <span className="tag">{t("thread.left")}</span>}
      {row.tags?.map((tag) => (
        <span className="tag" key={tag}>
          {tagName(tag)}
        </span>
      ))}
    </div>
  );
}

interface ThreadHeaderProps {
  conversation: string;
  mine: WorkRow | undefined;
  /** Goes where one expects after this conversation has left one's hands. */
  leave(): void;
}

/** Who, for whom, through what, in which state; and the two or three things to do about it now. */
export function ThreadHeader({ conversation, mine, leave }: ThreadHeaderProps): JSX.Element {
  const { t } = useTranslation();
  const me = useMe();
  const row = useOnly("conversation", conversation);
  const folded = useSettings((chosen) => chosen.folded);
  const task = useView("waiting", me.organisation, (view: View<TaskRow>) =>
    view.rows.find((one) => one.conversation === conversation),
  );
  const [dialog, setDialog] = useState<Dialog>(null);
  const [taking, setTaking] = useState(false);
  const held = mine !== undefined && mine.state !== "wrapup";
  const taskId = mine?.task ?? task?.task ?? null;
  const tags = row?.tags ?? [];

  function close(): void {
    // A live contact goes on into its wrap-up, which takes the composer's place; other work is over.
    commands.close(conversation).catch(() => {});
    if (!mine?.live) leave();
  }
  function park(until: number | null): void {
    commands.park(conversation, until).catch(() => {});
    leave();
  }
  function take(): void {
    setTaking(true);
    expectComposer(conversation);
    commands
      .take(conversation)
      .catch(report)
      .finally(() => setTaking(false));
  }
  const canTake = row !== undefined && mine === undefined;

  useAction("conversation.take", canTake && !taking ? take : null);
  useAction("conversation.close", held ? close : null);
  useAction("conversation.park", held ? () => park(null) : null);
  useAction("conversation.transfer", held || me.role !== "agent" ? () => setDialog("transfer") : null);
  useAction("conversation.tag", row ? () => setDialog("tag") : null);
  useAction("conversation.why", taskId !== null ? () => setDialog("why") : null);

  return (
    <header className="thread-header">
      <IconButton label={t("app.back")} className="narrow-only" onClick={() => go("/work")}>
        <IconArrowLeft size={18} />
      </IconButton>
      <div className="thread-who">
        <h1 className="cut">
          {row && <ChannelIcon channel={row.channel} />}{" "}
          {row ? row.customer_name || t("customer.nameless") : "\u00a0"}
          {row?.subject_line && <span className="thread-subject"> · {row.subject_line}</span>}
        </h1>
      </div>
      <div className="thread-acts">
        {canTake && (
          <Button loading={taking} onClick={take}>
            {t("thread.take")}
          </Button>
        )}
        {held && (
          <>
            <Button variant="default" onClick={() => setDialog("transfer")}>
              {t("thread.transfer")}
            </Button>
            <ParkMenu park={park} />
            <Button onClick={close}>{t("thread.close")}</Button>
          </>
        )}
        {row && (
          <Menu position="bottom-end" width={232}>
            <Menu.Target>
              <IconButton label={t("app.more")}>
                <IconDots size={18} />
              </IconButton>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item
                leftSection={<IconTag size={16} />}
                rightSection={<Keys keys="l" />}
                onClick={() => setDialog("tag")}
              >
                {t("thread.tag")}
              </Menu.Item>
              <Menu.Item
                disabled={taskId === null}
                rightSection={<Keys keys="w" />}
                onClick={() => setDialog("why")}
              >
                {t("why.title")}
              </Menu.Item>
              {!held && me.role !== "agent" && (
                <Menu.Item rightSection={<Keys keys="t" />} onClick={() => setDialog("transfer")}>
                  {t("thread.transfer")}
                </Menu.Item>
              )}
            </Menu.Dropdown>
          </Menu>
        )}
        <IconButton
          label={t("customer.fold")}
          keys="i"
          aria-pressed={!folded}
          onClick={() => settings.setState({ folded: !folded })}
        >
          <IconLayoutSidebarRight size={18} />
        </IconButton>
      </div>
      {row && <Facts row={row} />}
      <Suspense fallback={null}>
        {dialog === "transfer" && row && (
          <TransferDialog row={row} close={() => setDialog(null)} done={mine ? leave : () => {}} />
        )}
        {dialog === "tag" && row && (
          <TagDialog
            conversation={conversation}
            client={row.client}
            tags={tags}
            close={() => setDialog(null)}
          />
        )}
        {dialog === "why" && taskId !== null && <WhyDialog task={taskId} close={() => setDialog(null)} />}
      </Suspense>
    </header>
  );
}
