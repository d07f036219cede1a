import { Keys } from "@guichet/ui";
import { Modal } from "@mantine/core";
import { IconBolt, IconUser } from "@tabler/icons-react";
import { useMemo, useState, type JSX, type KeyboardEvent, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { perform, useAble, useAction } from "../../app/actions.ts";
import { allActions } from "../../app/registry.ts";
import { go, pathTo } from "../../app/router.tsx";
import { ChannelIcon } from "../../shared/channels.tsx";
import { ClientMark } from "../../shared/ClientMark.tsx";
import { useSearch } from "./api.ts";

interface Choice {
  key: string;
  section: "commands" | "people" | "conversations";
  icon: ReactNode;
  label: string;
  detail?: string | undefined;
  client?: string;
  keys?: string | undefined;
  run(): void;
}

const LIMIT = 6;

function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/** Opens from everywhere: people, conversations, and everything that can be done just now. */
export function Palette(): JSX.Element | null {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const [words, setWords] = useState("");
  const [at, setAt] = useState(0);
  const able = useAble();
  const { found, failed, busy } = useSearch(open ? words : "", LIMIT);

  function show(): void {
    setWords("");
    setAt(0);
    setOpen(true);
  }
  useAction("palette", show);
  useAction("search", show);

  const choices = useMemo((): Choice[] => {
    const wanted = plain(words.trim());
    const commands = allActions()
      .filter((action) => action.id !== "palette" && action.id !== "search" && able(action.id))
      .map((action): Choice => ({
        key: action.id,
        section: "commands",
        icon: <IconBolt size={16} aria-hidden />,
        label: t(action.label),
        detail: action.group === "presence" ? t("presence.title") : undefined,
        keys: action.keys,
        run: () => void perform(action.id),
      }))
      .filter((choice) => plain(choice.label).includes(wanted) || plain(choice.detail ?? "").includes(wanted))
      .slice(0, wanted === "" ? 24 : 6);
    const people = (found?.people ?? []).slice(0, LIMIT).map((one): Choice => ({
      key: `p ${one.customer}`,
      section: "people",
      icon: <IconUser size={16} aria-hidden />,
      label: one.name || one.email || t("customer.nameless"),
      detail: [one.name ? one.email : null, one.phone].filter(Boolean).join(" · "),
      client: one.client,
      run: () => go(`${pathTo("conversations")}?customer=${encodeURIComponent(one.customer)}`),
    }));
    const talks = (found?.conversations ?? []).slice(0, LIMIT).map((one): Choice => ({
      key: `c ${one.conversation}`,
      section: "conversations",
      icon: <ChannelIcon channel={one.channel} />,
      label: one.customer_name || t("customer.nameless"),
      detail: one.excerpt || one.subject_line || one.last_words || "",
      client: one.client,
      run: () => go(pathTo("work", one.conversation)),
    }));
    return [...people, ...talks, ...commands];
  }, [words, found, able, t]);

  const chosen = choices[Math.min(at, choices.length - 1)];

  function onKey(event: KeyboardEvent): void {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setAt((at + step + choices.length) % Math.max(1, choices.length));
    } else if (event.key === "Enter" && chosen) {
      event.preventDefault();
      run(chosen);
    }
  }

  function run(choice: Choice): void {
    setOpen(false);
    // After the dialog has given the focus back, so that the command may move it.
    setTimeout(choice.run, 0);
  }

  if (!open) return null;
  return (
    <Modal.Root opened onClose={() => setOpen(false)} centered={false} yOffset="12vh" size={600} padding={0}>
      <Modal.Overlay backgroundOpacity={0.35} />
      <Modal.Content aria-label={t("search.palette")}>
        <div className="palette">
          <input
            className="palette-input"
            role="combobox"
            aria-expanded="true"
            aria-controls="palette-list"
            aria-activedescendant={chosen ? `palette-${choices.indexOf(chosen)}` : undefined}
            aria-label={t("search.palette")}
            placeholder={t("search.placeholder")}
            value={words}
            onChange={(event) => {
              setWords(event.currentTarget.value);
              setAt(0);
            }}
            onKeyDown={onKey}
            data-autofocus
          />
          <div className="palette-list" id="palette-list" role="listbox" aria-label={t("search.palette")}>
            {choices.map((choice, index) => (
              <div
                key={choice.key}
                id={`palette-${index}`}
                role="option"
                tabIndex={-1}
                aria-selected={choice === chosen}
                ref={
                  choice === chosen ? (element) => element?.scrollIntoView({ block: "nearest" }) : undefined
                }
                onMouseDown={(event) => {
                  event.preventDefault();
                  run(choice);
                }}
              >
                {choice.icon}
                <span className="palette-label cut">
                  {choice.label} {choice.detail && <span className="soft">{choice.detail}</span>}
                </span>
                {choice.client !== undefined && <ClientMark client={choice.client} />}
                {choice.keys !== undefined && <Keys keys={choice.keys} />}
              </div>
            ))}
          </div>
          {choices.length === 0 && (
            <p className="palette-none soft">
              {t(failed ? "search.error" : busy ? "app.loading" : "search.none")}
            </p>
          )}
        </div>
      </Modal.Content>
    </Modal.Root>
  );
}
