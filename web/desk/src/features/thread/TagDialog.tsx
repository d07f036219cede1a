import { Button, MultiSelect } from "@mantine/core";
import { useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { commands } from "../../store/commands.ts";
import { Dialog } from "../../shared/Dialog.tsx";
import { nameIn, useKind, useNames } from "../../store/directory.ts";

interface TagDialogProps {
  conversation: string;
  client: string;
  tags: readonly string[];
  close(): void;
}

/** The words under which a conversation is found again. */
export default function TagDialog({ conversation, client, tags, close }: TagDialogProps): JSX.Element {
  const { t } = useTranslation();
  const [chosen, setChosen] = useState([...tags]);
  const name = useNames("tag");
  const offered = useKind("tag")
    .filter((row) => (row.value["client"] ?? client) === client)
    .map((row) => ({ value: row.id, label: nameIn(row) }));
  // One that is no longer in use may stay.
  const kept = tags.filter((tag) => offered.every(({ value }) => value !== tag));
  return (
    <Dialog close={close} title={t("thread.tag")}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault();
          commands.tag(conversation, chosen).catch(() => {});
          close();
        }}
      >
        <MultiSelect
          label={t("tags.label")}
          description={t(offered.length === 0 ? "tags.none" : "tags.hint")}
          data={[...offered, ...kept.map((tag) => ({ value: tag, label: name(tag) }))]}
          value={chosen}
          onChange={setChosen}
          maxValues={20}
          nothingFoundMessage={t("tags.no_match")}
          searchable
          data-autofocus
          clearable
        />
        <div className="form-acts">
          <Button variant="default" onClick={close}>
            {t("app.cancel")}
          </Button>
          <Button type="submit">{t("app.save")}</Button>
        </div>
      </form>
    </Dialog>
  );
}
