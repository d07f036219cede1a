import type { MessageRow } from "@guichet/protocol";
import { IconAlertTriangle, IconLock, IconUserQuestion } from "@tabler/icons-react";
import { memo, useMemo, useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { useFormat, type Key } from "../../i18n/index.ts";
import { useName } from "../../store/directory.ts";
import { Attachments } from "./Attachments.tsx";
import { HtmlMail, picturesIn, useHtmlMail } from "./HtmlMail.tsx";
import { isOthers, type Event, type Pending } from "./items.ts";
import { Status } from "./Status.tsx";
import { foldQuoted, linkify } from "./text.ts";

function Words({ text }: { text: string }): JSX.Element {
  return (
    <div className="words">
      {linkify(text).map((piece) =>
        piece.href === undefined ? (
          <span key={piece.at}>{piece.text}</span>
        ) : (
          <a key={piece.at} href={piece.href} target="_blank" rel="noreferrer noopener">
            {piece.text}
          </a>
        ),
      )}
    </div>
  );
}

function Headers({ headers }: { headers: Record<string, unknown> }): JSX.Element | null {
  const { t } = useTranslation();
  const shown = ["from", "to", "cc", "subject"].flatMap((name) => {
    const value = headers[name] ?? headers[name.charAt(0).toUpperCase() + name.slice(1)];
    const text = Array.isArray(value) ? value.join(", ") : value;
    return typeof text === "string" && text !== "" ? [{ name, text }] : [];
  });
  if (shown.length === 0) return null;
  return (
    <dl className="headers">
      {shown.map(({ name, text }) => (
        <div key={name}>
          <dt className="soft">{t(`mail.${name}` as Key)}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  );
}

function Files({ row, but }: { row: MessageRow; but?: ReadonlySet<string> }): JSX.Element | null {
  const files = row.attachments?.filter((file) => !but?.has(file.address)) ?? [];
  return files.length === 0 ? null : <Attachments conversation={row.conversation} files={files} />;
}

function Mail({ row }: { row: MessageRow }): JSX.Element {
  const { t } = useTranslation();
  const [quoted, setQuoted] = useState(false);
  const [original, setOriginal] = useState(false);
  const [details, setDetails] = useState(false);
  const mail = useHtmlMail(row.conversation, original ? row.html_blob : null);
  // What its sender put between the words is not shown a second time below them.
  const between = useMemo(() => (original ? picturesIn(mail.data ?? "") : undefined), [original, mail.data]);
  // The mail door has split off what was quoted; what it left in is folded here.
  const quotedByDoor = row.headers?.["quoted"];
  const folded =
    typeof quotedByDoor === "string"
      ? { words: row.text ?? "", quoted: quotedByDoor }
      : foldQuoted(row.text ?? "");
  return (
    <>
      {details && row.headers && <Headers headers={row.headers} />}
      {original && row.html_blob !== null ? (
        <HtmlMail mail={mail} />
      ) : (
        <>
          <Words text={folded.words} />
          {quoted && <div className="words quoted">{folded.quoted}</div>}
        </>
      )}
      <div className="mail-acts">
        {folded.quoted !== "" && !original && (
          <button type="button" className="ui-link" aria-expanded={quoted} onClick={() => setQuoted(!quoted)}>
            {t(quoted ? "mail.fold" : "mail.unfold")}
          </button>
        )}
        {row.html_blob !== null && (
          <button
            type="button"
            className="ui-link"
            aria-pressed={original}
            onClick={() => setOriginal(!original)}
          >
            {t(original ? "mail.as_text" : "mail.as_sent")}
          </button>
        )}
        {row.headers && Object.keys(row.headers).length > 0 && (
          <button
            type="button"
            className="ui-link"
            aria-expanded={details}
            onClick={() => setDetails(!details)}
          >
            {t("mail.details")}
          </button>
        )}
      </div>
      <Files row={row} {...(between ? { but: between } : {})} />
    </>
  );
}

/** What one must know before one believes a mail: who wrote it, and whether that is certain. */
function Doubts({ headers }: { headers: Record<string, string> }): JSX.Element {
  const { t } = useTranslation();
  return (
    <>
      {headers["automatic"] === "auto-reply" && <span className="tag">{t("mail.automatic")}</span>}
      {isOthers(headers) && (
        <span className="tag" data-tone="warn" title={t("mail.other_sender_hint")}>
          <IconUserQuestion size={12} aria-hidden /> {t("mail.other_sender")}
        </span>
      )}
      {headers["sender"] === "unverified" && (
        <span className="tag" data-tone="warn" title={t("mail.unverified_hint")}>
          <IconAlertTriangle size={12} aria-hidden /> {t("mail.unverified")}
        </span>
      )}
    </>
  );
}

/** Somebody came or went: one thin line. */
export function EventLine({
  at,
  event,
  agent,
}: {
  at: number;
  event: Event;
  agent: string | null;
}): JSX.Element {
  const { t } = useTranslation();
  const format = useFormat();
  const name = useName("agent", agent);
  return (
    <div className="system soft">
      <span>{t(`event.${event}`, { agent: name })}</span>
      <time className="num" dateTime={new Date(at).toISOString()} title={format.exact(at)}>
        {format.time(at)}
      </time>
    </div>
  );
}

interface MessageLineProps {
  row: MessageRow;
  head: boolean;
  pending: Pending | null;
  customer: string;
}

/** One message: a heading when the speaker changes, its words, its files, and what became of it. */
export const MessageLine = memo(function MessageLine({
  row,
  head,
  pending,
  customer,
}: MessageLineProps): JSX.Element {
  const { t } = useTranslation();
  const format = useFormat();
  const agent = useName("agent", row.author);
  const time = (
    <time className="soft num" dateTime={new Date(row.at).toISOString()} title={format.exact(row.at)}>
      {format.time(row.at)}
    </time>
  );

  const speaker =
    row.kind !== "customer" ? agent : isOthers(row.headers) ? (row.headers?.["from"] ?? "") : customer;
  const mail = row.html_blob !== null || (row.headers !== null && Object.keys(row.headers).length > 0);
  return (
    <div
      className="message"
      data-kind={row.kind}
      data-head={head || undefined}
      data-pending={pending !== null || undefined}
    >
      {head && (
        <div className="message-head">
          <strong>{speaker}</strong>
          {row.kind === "note" && (
            <span className="tag" data-tone="note">
              <IconLock size={12} aria-hidden /> {t("composer.note")}
            </span>
          )}
          {row.headers && <Doubts headers={row.headers} />}
          {time}
        </div>
      )}
      <div className="message-body">
        <div className="message-words">
          {mail ? (
            <Mail row={row} />
          ) : (
            <>
              <Words text={row.text ?? ""} />
              <Files row={row} />
            </>
          )}
        </div>
        <div className="message-side soft">
          {!head && <span className="message-time">{time}</span>}
          <Status row={row} pending={pending} />
        </div>
      </div>
    </div>
  );
});
