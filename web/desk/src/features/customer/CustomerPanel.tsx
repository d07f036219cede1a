import type { ConversationRow, LegRow, MessageRow } from "@guichet/protocol";
import { Bones, IconButton } from "@guichet/ui";
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { IconEdit, IconRosetteDiscountCheck, IconX } from "@tabler/icons-react";
import { useState, type JSX, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { useAction } from "../../app/actions.ts";
import { pathTo, To } from "../../app/router.tsx";
import { useFormat, type Key } from "../../i18n/index.ts";
import { ChannelIcon } from "../../shared/channels.tsx";
import { ClientMark } from "../../shared/ClientMark.tsx";
import { useMinute } from "../../shared/time.tsx";
import { useNames } from "../../store/directory.ts";
import { settings } from "../../store/settings.ts";
import { useOnly, useView, type View } from "../../store/views.ts";
import { readConversations, readCustomer, type Customer } from "./api.ts";
import { CustomerForm } from "./CustomerForm.tsx";

function Part({
  title,
  count,
  children,
}: {
  title: string;
  count?: number;
  children: ReactNode;
}): JSX.Element {
  return (
    <section className="part">
      <h2 className="list-title">
        {title} {count !== undefined && <span className="num">{count}</span>}
      </h2>
      {children}
    </section>
  );
}

function Identity({ customer, edit }: { customer: Customer; edit(): void }): JSX.Element {
  const { t, i18n } = useTranslation();
  const format = useFormat();
  const kindWord = (kind: string) => (i18n.exists(`identity.${kind}`) ? t(`identity.${kind}` as Key) : kind);
  const known: { label: string; value: string; proven?: boolean }[] = customer.identities
    .filter(({ kind }) => i18n.exists(`identity.${kind}`))
    .map(({ kind, handle, proven }) => ({ label: kindWord(kind), value: handle, proven }));
  const shown = new Set(known.map(({ value }) => value));
  for (const field of ["email", "phone"] as const) {
    const value = customer[field];
    if (value && !shown.has(value)) known.push({ label: t(`identity.${field}`), value });
  }
  if (customer.language)
    known.push({ label: t("customer.language"), value: format.language(customer.language) });
  known.push({ label: t("customer.since"), value: format.shortDay(customer.created_at) });
  return (
    <section className="part">
      <div className="customer-name">
        <strong className="cut">{customer.name || t("customer.nameless")}</strong>
        <IconButton label={t("customer.edit")} keys="c" onClick={edit}>
          <IconEdit size={16} />
        </IconButton>
      </div>
      <dl className="pairs">
        <div>
          <dt className="soft">{t("queues.client")}</dt>
          <dd>
            <ClientMark client={customer.client} whole />
          </dd>
        </div>
        {known.map(({ label, value, proven }) => (
          <div key={`${label} ${value}`}>
            <dt className="soft">{label}</dt>
            <dd className="cut" title={value}>
              {value}{" "}
              {proven && (
                <IconRosetteDiscountCheck
                  size={14}
                  role="img"
                  aria-label={t("customer.proven")}
                  color="var(--good-ink)"
                />
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Row({ row, now }: { row: ConversationRow; now: number }): JSX.Element {
  const { t } = useTranslation();
  const format = useFormat();
  const at = row.last_at ?? row.opened_at;
  return (
    <To to={pathTo("work", row.conversation)} className="history-row">
      <ChannelIcon channel={row.channel} />
      <span className="work-row-body">
        <span className="work-row-line">
          <span className="cut">{row.subject_line || row.last_words || t("work.no_words")}</span>
          <span className="work-row-gap" />
          <time className="soft num" title={format.exact(at)}>
            {format.when(at, now)}
          </time>
        </span>
        <span className="work-row-line soft">
          <span>{t(`state.${row.state}`)}</span>
        </span>
      </span>
    </To>
  );
}

function Legs({ conversation }: { conversation: string }): JSX.Element | null {
  const { t } = useTranslation();
  const format = useFormat();
  const agent = useNames("agent");
  const site = useNames("site");
  const legs = useView("legs", conversation, (view: View<LegRow>) => view.rows);
  const people = legs.filter((leg) => leg.party !== "customer").toSorted((a, b) => a.started - b.started);
  if (people.length === 0) return null;
  return (
    <Part title={t("customer.legs")} count={people.length}>
      <ul className="plain">
        {people.map((leg) => (
          <li key={leg.leg} className="leg">
            <span className="cut">{agent(leg.agent)}</span>
            <span className="soft cut">
              {[leg.site && site(leg.site), leg.country && format.country(leg.country)]
                .filter(Boolean)
                .join(", ")}
            </span>
            <span className="soft num">
              {format.time(leg.started)}–{leg.ended === null ? t("customer.now") : format.time(leg.ended)}
            </span>
          </li>
        ))}
      </ul>
    </Part>
  );
}

function Notes({ conversation }: { conversation: string }): JSX.Element | null {
  const { t } = useTranslation();
  const format = useFormat();
  const agent = useNames("agent");
  const rows = useView("thread", conversation, (view: View<MessageRow>) => view.rows);
  const notes = rows.filter((row) => row.kind === "note").toSorted((a, b) => b.n - a.n);
  if (notes.length === 0) return null;
  return (
    <Part title={t("customer.notes")} count={notes.length}>
      <ul className="plain">
        {notes.map((note) => (
          <li key={note.n} className="note-line">
            <p>{note.text}</p>
            <span className="soft">
              {agent(note.author)} · <span className="num">{format.time(note.at)}</span>
            </span>
          </li>
        ))}
      </ul>
    </Part>
  );
}

/** Who the customer is, what else is open, and everything before, over all channels. */
export function CustomerPanel({ conversation }: { conversation: string }): JSX.Element {
  const { t } = useTranslation();
  const now = useMinute();
  const row = useOnly("conversation", conversation);
  const id = row?.customer;
  const [editing, setEditing] = useState(false);
  const customer = useQuery({
    queryKey: ["customer", id],
    queryFn: () => readCustomer(id ?? ""),
    enabled: id !== undefined,
  });
  const history = useQuery({
    queryKey: ["history", id, row?.state],
    queryFn: () => readConversations({ customer: id, limit: 50 }),
    enabled: id !== undefined,
    placeholderData: (before, query) => (query?.queryKey[1] === id ? before : undefined),
  });
  useAction("customer.edit", customer.data ? () => setEditing(true) : null);
  const others = history.data?.filter((one) => one.conversation !== conversation) ?? [];
  const open = others.filter((one) => one.state !== "closed");
  const past = others.filter((one) => one.state === "closed");

  return (
    <aside className="customer" aria-label={t("customer.title")}>
      <div className="customer-top">
        <h2>{t("customer.title")}</h2>
        <IconButton label={t("customer.fold")} keys="i" onClick={() => settings.setState({ folded: true })}>
          <IconX size={16} />
        </IconButton>
      </div>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- scrollable regions must be focusable */}
      <div className="customer-scroll" tabIndex={0} role="group" aria-label={t("customer.title")}>
        {customer.isError && (
          <div className="part">
            <p className="soft">{t("customer.error")}</p>
            <Button variant="default" size="xs" onClick={() => void customer.refetch()}>
              {t("app.retry")}
            </Button>
          </div>
        )}
        {!customer.data && !customer.isError && <Bones rows={4} height={34} label={t("app.loading")} />}
        {customer.data &&
          (editing ? (
            <CustomerForm customer={customer.data} close={() => setEditing(false)} />
          ) : (
            <Identity customer={customer.data} edit={() => setEditing(true)} />
          ))}
        {open.length > 0 && (
          <Part title={t("customer.open")} count={open.length}>
            {open.map((one) => (
              <Row key={one.conversation} row={one} now={now} />
            ))}
          </Part>
        )}
        <Notes conversation={conversation} />
        <Legs conversation={conversation} />
        <Part title={t("customer.history")} count={past.length}>
          {history.isSuccess && past.length === 0 && (
            <p className="soft part-empty">{t("customer.no_history")}</p>
          )}
          {past.map((one) => (
            <Row key={one.conversation} row={one} now={now} />
          ))}
        </Part>
      </div>
    </aside>
  );
}
