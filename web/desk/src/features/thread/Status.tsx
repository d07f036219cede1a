import type { MessageRow } from "@guichet/protocol";
import { IconAlertTriangle, IconCheck, IconChecks, IconClock, IconEye } from "@tabler/icons-react";
import type { JSX } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";

import { useAction } from "../../app/actions.ts";
import { report } from "../../app/toasts.tsx";
import { Keys } from "@guichet/ui";
import { useRefusalWords } from "../../i18n/index.ts";
import { theNet } from "../../net/index.ts";
import { useNow } from "../../shared/time.tsx";
import { commands, discardCommand, retryCommand } from "../../store/commands.ts";
import { composerOf } from "../composer/handle.ts";
import type { Pending } from "./items.ts";
import { reasonKey } from "./reason.ts";

function Undo({ row, until }: { row: MessageRow; until: number }): JSX.Element | null {
  const { t } = useTranslation();
  const now = useNow();
  const left = Math.ceil((until - now) / 1000);
  function undo(): void {
    if (row.message === null) return;
    commands
      .undoMessage(row.conversation, row.message)
      .then(() => composerOf(row.conversation)?.restore(row.text ?? "", row.attachments ?? []), report);
  }
  useAction("conversation.undo", left > 0 ? undo : null);
  if (left <= 0) return <IconClock size={14} role="img" aria-label={t("status.queued")} />;
  return (
    <button type="button" className="ui-link" onClick={undo}>
      {t("thread.undo")} <span className="num">({left})</span> <Keys keys="Alt+u" />
    </button>
  );
}

/** Refused, or never carried out: the reason and the way on stand beside the words. */
function Trouble({
  words,
  again,
  discard,
}: {
  words: string;
  again(): void;
  discard?: (() => void) | undefined;
}): JSX.Element {
  const { t } = useTranslation();
  return (
    <span className="ui-error" role="alert">
      <IconAlertTriangle size={14} aria-hidden />
      {words}
      <button type="button" className="ui-link" onClick={again}>
        {t("app.retry")}
      </button>
      {discard && (
        <button type="button" className="ui-link" onClick={discard}>
          {t("app.discard")}
        </button>
      )}
    </span>
  );
}

/** What became of a message of ours. */
export function Status({ row, pending }: { row: MessageRow; pending: Pending | null }): JSX.Element | null {
  const { t } = useTranslation();
  const words = useRefusalWords();
  const online = useStore(theNet().link.status, (status) => status.downSince === null);
  if (pending) {
    if (!pending.refusal) {
      return (
        <span className="status soft">
          <IconClock size={14} aria-hidden /> {t(online ? "status.sending" : "status.kept")}
        </span>
      );
    }
    return (
      <Trouble
        words={words(pending.refusal)}
        again={() => retryCommand(pending.key)}
        discard={() => {
          composerOf(row.conversation)?.restore(
            row.text ?? "",
            row.attachments ?? [],
            row.kind === "note" ? "note" : "reply",
          );
          discardCommand(pending.key);
        }}
      />
    );
  }
  if (row.kind !== "agent") return null;
  switch (row.status) {
    case "held":
      return <Undo row={row} until={row.release_at ?? 0} />;
    case "queued":
      return <IconClock size={14} role="img" aria-label={t("status.queued")} />;
    case "failed":
    case "bounced": {
      const known = reasonKey(row.reason ?? "");
      const reason = known ? t(known) : (row.reason ?? "");
      return (
        <Trouble
          words={
            reason === ""
              ? t(`status.${row.status}`)
              : t("status.with_reason", { status: t(`status.${row.status}`), reason })
          }
          again={() => {
            if (row.message !== null) commands.retryMessage(row.conversation, row.message).catch(report);
          }}
        />
      );
    }
    case "read":
      return <IconEye size={14} role="img" aria-label={t("status.read")} />;
    case "delivered":
      return <IconChecks size={14} role="img" aria-label={t("status.delivered")} />;
    case "sent":
      return <IconCheck size={14} role="img" aria-label={t("status.sent")} />;
    default:
      return null;
  }
}
