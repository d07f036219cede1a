import type { AgentStateRow, ConversationRow, TaskRow } from "@guichet/protocol";
import { Bones, Empty, IconButton } from "@guichet/ui";
import { Button, Drawer, Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { IconArrowLeft, IconExternalLink } from "@tabler/icons-react";
import { useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { pathTo, To } from "../../app/router.tsx";
import { report, say } from "../../app/toasts.tsx";
import { ChannelIcon } from "../../shared/channels.tsx";
import { ClientMark } from "../../shared/ClientMark.tsx";
import { PresenceIcon } from "../../shared/presence.tsx";
import { Since } from "../../shared/time.tsx";
import { commands } from "../../store/commands.ts";
import { useName, useNames } from "../../store/directory.ts";
import { useMe } from "../../store/session.ts";
import { useEach, useOnly, useView, type View } from "../../store/views.ts";
import { readConversations } from "../customer/api.ts";
import { Thread } from "../thread/Thread.tsx";
import { doing } from "./figures.ts";
import { PresenceMenu } from "./AgentsGrid.tsx";

/** Tasks of a queue that are shown with the customer's name: each is a subscription of this socket's. */
const NAMED = 30;

/** What the drawer shows: a queue's line, an agent's hands, or one case. */
export interface Shown {
  queue: string | null;
  agent: string | null;
  conversation: string | null;
}

interface DrawerProps {
  shown: Shown;
  agents: readonly AgentStateRow[];
  change(shown: Partial<Shown>): void;
}

function Assign({
  conversation,
  agents,
}: {
  conversation: string;
  agents: readonly AgentStateRow[];
}): JSX.Element {
  const { t } = useTranslation();
  const name = useNames("agent");
  const [target, setTarget] = useState<string | null>(null);
  const choices = agents
    .filter((row) => row.presence !== "offline")
    .toSorted((a, b) => a.load - b.load || name(a.agent).localeCompare(name(b.agent)))
    .map((row) => ({
      value: row.agent,
      label: `${name(row.agent)} · ${t(`doing.${doing(row)}`)} · ${row.load}/${row.capacity}`,
    }));
  return (
    <div className="assign">
      <Select
        aria-label={t("case.assign_to")}
        placeholder={t("case.assign_to")}
        data={choices}
        value={target}
        onChange={setTarget}
        searchable
        nothingFoundMessage={t("app.nothing_found")}
        comboboxProps={{ withinPortal: true }}
      />
      <Button
        variant="default"
        disabled={target === null}
        onClick={() => {
          if (target !== null) commands.assign(conversation, target).then(() => say("case.assigned"), report);
        }}
      >
        {t("case.assign")}
      </Button>
      <Button variant="default" onClick={() => commands.take(conversation).catch(report)}>
        {t("thread.take")}
      </Button>
    </div>
  );
}

function Case({
  conversation,
  agents,
  back,
}: {
  conversation: string;
  agents: readonly AgentStateRow[];
  back(): void;
}): JSX.Element {
  const { t } = useTranslation();
  const row = useOnly("conversation", conversation);
  const queue = useName("queue", row?.queue);
  const holder = useName("agent", row?.agent);
  return (
    <div className="case">
      <div className="case-head">
        <IconButton label={t("app.back")} onClick={back}>
          <IconArrowLeft size={18} />
        </IconButton>
        <div className="thread-who">
          <h2 className="cut">{row?.customer_name || t("customer.nameless")}</h2>
          {row && (
            <div className="thread-facts soft">
              <ClientMark client={row.client} whole />
              <span className="cut">{queue}</span>
              <span>
                {t(`state.${row.state}`)}
                {row.agent !== null && ` · ${holder}`}
              </span>
            </div>
          )}
        </div>
        <To to={pathTo("work", conversation)} className="ui-link">
          <IconExternalLink size={14} aria-hidden /> {t("case.open")}
        </To>
      </div>
      <Thread conversation={conversation} key={conversation} />
      {row && row.state !== "closed" && <Assign conversation={conversation} agents={agents} />}
    </div>
  );
}

/** Who waits, with what words, and where it stands: a leader looks for a person, not for a number. */
function Waiting({
  task,
  conversation,
}: {
  task: TaskRow;
  conversation: ConversationRow | undefined;
}): JSX.Element {
  const { t } = useTranslation();
  const agent = useName("agent", task.agent);
  return (
    <span className="work-row-body">
      <span className="work-row-line">
        <strong className="cut">
          {conversation ? conversation.customer_name || t("customer.nameless") : "…"}
        </strong>
        <span className="work-row-gap" />
        <span className="soft cut">
          {t(`task.${task.state}`)}
          {task.agent !== null && ` · ${agent}`}
        </span>
        <Since at={task.since} />
      </span>
      <span className="work-row-line soft">
        <span className="cut">{conversation?.last_words || conversation?.subject_line}</span>
      </span>
    </span>
  );
}

function QueueLine({ queue, open }: { queue: string; open(conversation: string): void }): JSX.Element {
  const { t } = useTranslation();
  const { organisation } = useMe();
  const tasks = useView("waiting", organisation, (view: View<TaskRow>) => view.rows);
  const ready = useView("waiting", organisation, (view: View<TaskRow>) => view.ready);
  const rows = tasks
    .filter((task) => task.queue === queue && task.state !== "ended")
    .toSorted((a, b) => a.since - b.since);
  const conversations = useEach(
    "conversation",
    rows.slice(0, NAMED).map((task) => task.conversation),
  );
  if (!ready) return <Bones rows={6} height={36} label={t("app.loading")} />;
  if (rows.length === 0) return <Empty title={t("queues.empty")} hint={t("queues.empty_hint")} />;
  return (
    <ul className="plain">
      {rows.map((task) => (
        <li key={task.task}>
          <button type="button" className="history-row bare" onClick={() => open(task.conversation)}>
            <Waiting task={task} conversation={conversations.get(task.conversation)} />
          </button>
        </li>
      ))}
    </ul>
  );
}

function Hands({ row, open }: { row: AgentStateRow; open(conversation: string): void }): JSX.Element {
  const { t } = useTranslation();
  const name = useName("agent", row.agent);
  const list = useQuery({
    queryKey: ["hands", row.agent, row.load],
    queryFn: () => readConversations({ agent: row.agent, state: "active", limit: 50 }),
  });
  return (
    <>
      <p className="hands">
        <PresenceIcon presence={row.presence} /> {t(`doing.${doing(row)}`)}{" "}
        {row.since > 0 && <Since at={row.since} />}
        <span className="work-row-gap" />
        <PresenceMenu row={row} name={name} />
      </p>
      {list.isPending && <Bones rows={4} height={44} label={t("app.loading")} />}
      {list.data?.length === 0 && <Empty title={t("agents.nothing_in_hand")} />}
      <ul className="plain">
        {list.data?.map((one: ConversationRow) => (
          <li key={one.conversation}>
            <button type="button" className="history-row bare" onClick={() => open(one.conversation)}>
              <ChannelIcon channel={one.channel} />
              <span className="work-row-body">
                <span className="work-row-line">
                  <strong className="cut">{one.customer_name || t("customer.nameless")}</strong>
                  <ClientMark client={one.client} />
                  <span className="work-row-gap" />
                  {one.waiting_since !== null && <Since at={one.waiting_since} />}
                </span>
                <span className="work-row-line soft">
                  <span className="cut">{one.last_words}</span>
                </span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

/** From a figure down to the single case, beside the figures. */
export function CaseDrawer({ shown, agents, change }: DrawerProps): JSX.Element | null {
  const { t } = useTranslation();
  const { queue, agent, conversation } = shown;
  const queueName = useName("queue", queue);
  const agentName = useName("agent", agent);
  const state = agents.find((row) => row.agent === agent);
  const open = (next: string) => change({ conversation: next });
  const title = conversation !== null ? t("case.title") : queue !== null ? queueName : agentName;
  if (queue === null && agent === null && conversation === null) return null;
  return (
    <Drawer
      opened
      onClose={() => change({ queue: null, agent: null, conversation: null })}
      position="right"
      size={520}
      title={title}
      closeButtonProps={{ "aria-label": t("app.close") }}
      classNames={{ body: "drawer-body", content: "drawer-content" }}
    >
      {conversation !== null ? (
        <Case conversation={conversation} agents={agents} back={() => change({ conversation: null })} />
      ) : queue !== null ? (
        <QueueLine queue={queue} open={open} />
      ) : state ? (
        <Hands row={state} open={open} />
      ) : null}
    </Drawer>
  );
}
