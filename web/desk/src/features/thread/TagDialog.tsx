import { Button, TagsInput } from "@mantine/core";
import { useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { commands } from "../../store/commands.ts";
import { Dialog } from "../../shared/Dialog.tsx";

interface TagDialogProps {
  conversation: string;
  tags: readonly string[];
  close(): void;
}

/** The words under which a conversation is found again. */
export default function TagDialog({ conversation, tags, close }: TagDialogProps): JSX.Element {
  const { t } = useTranslation();
  const [chosen, setChosen] = useState([...tags]);
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
        <TagsInput
          label={t("tags.label")}
          description={t("tags.hint")}
          value={chosen}
          onChange={setChosen}
          maxTags={20}
          // There is nothing to unfold, and Escape is the dialog's.
          dropdownOpened={false}
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
