import type { ConversationRow } from "@guichet/protocol";
import { Button, SegmentedControl, Select, Textarea } from "@mantine/core";
import { useState, type FormEvent, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { useRefusalWords } from "../../i18n/index.ts";
import { refusalOf } from "../../net/index.ts";
import { commands } from "../../store/commands.ts";
import { nameIn, useKind } from "../../store/directory.ts";
import { useMe } from "../../store/session.ts";
import { Dialog } from "../../shared/Dialog.tsx";

interface TransferDialogProps {
  row: ConversationRow;
  close(): void;
  done(): void;
}

/** Hands a conversation over to a queue or to one agent, with a note that goes with it. */
export default function TransferDialog({ row, close, done }: TransferDialogProps): JSX.Element {
  const { t } = useTranslation();
  const words = useRefusalWords();
  const me = useMe();
  const queues = useKind("queue").filter((one) => one.value["client"] === row.client && one.id !== row.queue);
  const agents = useKind("agent").filter(
    (one) => one.id !== row.agent && (one.id !== me.agent || row.agent !== me.agent),
  );
  const [to, setTo] = useState<"queue" | "agent">("queue");
  const [target, setTarget] = useState<string | null>(null);
  const [note, setNote] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const choices = (to === "queue" ? queues : agents).map((one) => ({ value: one.id, label: nameIn(one) }));

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (target === null) {
      setError(t("transfer.choose"));
      return;
    }
    setBusy(true);
    const where = to === "queue" ? { queue: target, agent: null } : { queue: null, agent: target };
    try {
      await commands.transfer(row.conversation, where, note.trim());
      close();
      done();
    } catch (refused) {
      setBusy(false);
      setError(words(refusalOf(refused)));
    }
  }

  return (
    <Dialog close={close} title={t("transfer.title", { name: row.customer_name || t("customer.nameless") })}>
      <form className="form" onSubmit={(event) => void submit(event)}>
        <SegmentedControl
          aria-label={t("transfer.to")}
          value={to}
          onChange={(value) => {
            setTo(value as "queue" | "agent");
            setTarget(null);
          }}
          data={[
            { value: "queue", label: t("transfer.queue") },
            { value: "agent", label: t("transfer.agent") },
          ]}
        />
        <Select
          label={t(to === "queue" ? "transfer.which_queue" : "transfer.which_agent")}
          description={t(to === "queue" ? "transfer.queue_hint" : "transfer.agent_hint")}
          data={choices}
          value={target}
          onChange={(value) => {
            setTarget(value);
            setError(null);
          }}
          error={error}
          searchable
          openOnFocus={false}
          nothingFoundMessage={t("app.nothing_found")}
          data-autofocus
          comboboxProps={{ withinPortal: true }}
        />
        <Textarea
          label={t("transfer.note")}
          description={t("transfer.note_hint")}
          value={note}
          onChange={(event) => setNote(event.currentTarget.value)}
          autosize
          minRows={3}
          maxRows={8}
          maxLength={8_000}
        />
        <div className="form-acts">
          <Button variant="default" onClick={close}>
            {t("app.cancel")}
          </Button>
          <Button type="submit" loading={busy}>
            {t("transfer.do")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
