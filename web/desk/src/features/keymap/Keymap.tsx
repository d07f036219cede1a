import { Keys } from "@guichet/ui";
import { useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { useAction, type ActionSpec } from "../../app/actions.ts";
import { allActions } from "../../app/registry.ts";
import { Dialog } from "../../shared/Dialog.tsx";

const GROUPS: readonly ActionSpec["group"][] = ["go", "offer", "conversation", "write", "presence"];

/** Every shortcut, by what it is for. */
export function Keymap(): JSX.Element | null {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  useAction("keymap", () => setOpen(true));
  if (!open) return null;
  return (
    <Dialog close={() => setOpen(false)} title={t("keymap.title")} size={720}>
      <p className="soft">{t("keymap.hint")}</p>
      <div className="keymap">
        {GROUPS.map((group) => (
          <section key={group}>
            <h3>{t(`keymap.${group}`)}</h3>
            <dl>
              {allActions()
                .filter((action) => action.group === group && action.keys !== undefined)
                .map((action) => (
                  <div key={action.id}>
                    <dt>{t(action.label)}</dt>
                    <dd>
                      <Keys keys={action.keys ?? ""} />
                      <span className="hidden">{action.keys}</span>
                    </dd>
                  </div>
                ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
