import type { ConversationRow } from "@guichet/protocol";
import { Bones, Empty, VirtualList } from "@guichet/ui";
import { Button, Select, TextInput } from "@mantine/core";
import { IconSearch, IconUser, IconX } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { pathTo, To, useQuery as useAddress } from "../../app/router.tsx";
import { useFormat, useRefusalWords } from "../../i18n/index.ts";
import { refusalOf } from "../../net/index.ts";
import { ChannelIcon } from "../../shared/channels.tsx";
import { ClientMark } from "../../shared/ClientMark.tsx";
import { useMinute } from "../../shared/time.tsx";
import { nameIn, useKind, useNames } from "../../store/directory.ts";
import { readConversations, readCustomer } from "../customer/api.ts";
import { useSearch, type FoundConversation, type FoundPerson } from "../search/api.ts";

const PAGE = 100;
const STATES = ["open", "waiting", "active", "parked", "closed"] as const;

type Row = Omit<Partial<ConversationRow>, keyof FoundConversation> & FoundConversation;

function timeOf(row: ConversationRow): number {
  return row.last_at ?? row.opened_at;
}

function Line({ row, now }: { row: Row; now: number }): JSX.Element {
  const { t } = useTranslation();
  const format = useFormat();
  const agent = useNames("agent");
  const queue = useNames("queue");
  const at = row.last_at ?? row.at ?? row.opened_at;
  return (
    <To to={pathTo("work", row.conversation)} className="table-row conversations-row" data-row>
      <ChannelIcon channel={row.channel} />
      <span className="cut conversations-name">{row.customer_name || t("customer.nameless")}</span>
      <ClientMark client={row.client} />
      <span className="cut conversations-words soft">
        {row.subject_line && <span className="conversations-subject">{row.subject_line} </span>}
        {row.excerpt || row.last_words}
      </span>
      <span className="cut soft wide-only">{queue(row.queue)}</span>
      <span className="cut soft wide-only">{agent(row.agent)}</span>
      <span className="cut">{row.state && t(`state.${row.state}`)}</span>
      <time className="num soft">{typeof at === "number" && format.when(at, now)}</time>
    </To>
  );
}

function People({ people }: { people: readonly FoundPerson[] }): JSX.Element | null {
  const { t } = useTranslation();
  if (people.length === 0) return null;
  return (
    <ul className="people" aria-label={t("search.people")}>
      {people.map((one) => (
        <li key={one.customer}>
          <To className="chip" to={`${pathTo("conversations")}?customer=${encodeURIComponent(one.customer)}`}>
            <IconUser size={14} aria-hidden />
            <span className="cut">{one.name || one.email || t("customer.nameless")}</span>
            <ClientMark client={one.client} />
          </To>
        </li>
      ))}
    </ul>
  );
}

function CustomerFilter({ id, clear }: { id: string; clear(): void }): JSX.Element {
  const { t } = useTranslation();
  const customer = useQuery({ queryKey: ["customer", id], queryFn: () => readCustomer(id) });
  return (
    <button type="button" className="chip" onClick={clear} aria-label={t("conversations.all_customers")}>
      <IconUser size={14} aria-hidden />
      <span className="cut">{customer.data?.name || customer.data?.email || t("customer.nameless")}</span>
      <IconX size={14} aria-hidden />
    </button>
  );
}

/** Every conversation that this agent may read, newest first; found by words, state, agent or customer. */
export default function ConversationsPage(): JSX.Element {
  const { t } = useTranslation();
  const words = useRefusalWords();
  const now = useMinute();
  const [address, change] = useAddress();
  const [typed, setTyped] = useState(address.get("words") ?? "");
  const state = address.get("state") ?? undefined;
  const agent = address.get("agent") ?? undefined;
  const customer = address.get("customer") ?? undefined;
  const agents = useKind("agent");
  // As wide as admin.css says: a line has two rows there.
  const narrow = innerWidth <= 760;
  const searching = typed.trim().length >= 2;
  const search = useSearch(typed, 50);
  const list = useInfiniteQuery({
    queryKey: ["conversations", state, agent, customer],
    queryFn: ({ pageParam }) => readConversations({ state, agent, customer, before: pageParam, limit: PAGE }),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (page) => {
      const last = page.at(-1);
      return page.length < PAGE || !last ? undefined : timeOf(last);
    },
    enabled: !searching,
  });
  const rows: Row[] = searching
    ? (search.found?.conversations ?? [])
    : (list.data?.pages.flat().map((row) => ({ ...row })) ?? []);
  const failed = searching ? search.failed : list.isError;
  const loading = searching ? !search.found && !search.failed : list.isPending;

  return (
    <div className="sheet">
      <header className="sheet-head">
        <h1>{t("page.conversations")}</h1>
        <TextInput
          className="sheet-search"
          type="search"
          aria-label={t("conversations.search")}
          placeholder={t("conversations.search")}
          leftSection={<IconSearch size={16} />}
          value={typed}
          onChange={(event) => {
            setTyped(event.currentTarget.value);
            change({ words: event.currentTarget.value });
          }}
        />
        <Select
          aria-label={t("conversations.state")}
          placeholder={t("conversations.any_state")}
          data={STATES.map((one) => ({ value: one, label: t(`state.${one}`) }))}
          value={state ?? null}
          onChange={(value) => change({ state: value ?? "" })}
          clearable
          disabled={searching}
        />
        <Select
          aria-label={t("conversations.agent")}
          placeholder={t("conversations.any_agent")}
          data={agents.map((one) => ({ value: one.id, label: nameIn(one) }))}
          value={agent ?? null}
          onChange={(value) => change({ agent: value ?? "" })}
          clearable
          searchable
          disabled={searching}
        />
        {customer !== undefined && !searching && (
          <CustomerFilter id={customer} clear={() => change({ customer: "" })} />
        )}
      </header>
      {searching && search.found && <People people={search.found.people} />}
      {loading && <Bones rows={14} height={36} label={t("app.loading")} />}
      {failed && (
        <Empty title={t("conversations.error")} hint={list.error ? words(refusalOf(list.error)) : undefined}>
          <Button onClick={() => void list.refetch()}>{t("app.retry")}</Button>
        </Empty>
      )}
      {!loading && !failed && rows.length === 0 && (
        <Empty
          title={t(searching ? "search.none" : "conversations.none")}
          hint={t(searching ? "conversations.search_hint" : "conversations.none_hint")}
        />
      )}
      {rows.length > 0 && (
        <VirtualList
          items={rows}
          keyOf={(row) => row.conversation}
          heightOf={() => (narrow ? 52 : 36)}
          label={t("page.conversations")}
          render={(row) => <Line row={row} now={now} />}
        />
      )}
      {list.hasNextPage && !searching && (
        <button
          type="button"
          className="ui-link sheet-more"
          disabled={list.isFetchingNextPage}
          onClick={() => void list.fetchNextPage()}
        >
          {t("conversations.more")}
        </button>
      )}
    </div>
  );
}
