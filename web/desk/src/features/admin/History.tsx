import { useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { useFormat } from "../../i18n/index.ts";
import { useNames } from "../../store/directory.ts";
import { useHistory, type Item } from "./api.ts";
import type { Value } from "./schema.ts";
import { useFormWords } from "./words.ts";

function changedFields(before: Value | undefined, after: Value): string[] {
  return Object.keys(after).filter((name) => JSON.stringify(before?.[name]) !== JSON.stringify(after[name]));
}

interface HistoryProps {
  kind: string;
  item: Item;
  restore(value: Value): void;
}

/** Who changed what, and the way back to an earlier state. */
export function History({ kind, item, restore }: HistoryProps): JSX.Element {
  const { t } = useTranslation();
  const format = useFormat();
  const agent = useNames("agent");
  const words = useFormWords();
  const [open, setOpen] = useState(false);
  const versions = useHistory(kind, item.id, item.version);
  return (
    <section className="group">
      <h3>
        <button type="button" className="bare" aria-expanded={open} onClick={() => setOpen(!open)}>
          {t("admin.history", { count: item.version })}
        </button>
      </h3>
      {open && (
        <ul className="plain history">
          {versions.data?.map((one, index) => {
            const before = versions.data[index + 1]?.value;
            const who = one.by.replace(/^agent:/, "");
            return (
              <li key={one.version}>
                <span className="num soft">{one.version}</span>
                <span>
                  <span className="num" title={format.exact(one.at)}>
                    {format.shortDay(one.at)} {format.time(one.at)}
                  </span>{" "}
                  · {who.startsWith("system") ? t("admin.by_system") : agent(who)}
                  <span className="soft">
                    {" · "}
                    {before === undefined
                      ? t("admin.created")
                      : changedFields(before, one.value)
                          .map((name) => words.label(kind, name, {}))
                          .join(", ")}
                  </span>
                </span>
                {one.version !== item.version && (
                  <button type="button" className="ui-link" onClick={() => restore(one.value)}>
                    {t("admin.restore")}
                  </button>
                )}
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}
