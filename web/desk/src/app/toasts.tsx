import { IconButton } from "@guichet/ui";
import { IconAlertTriangle, IconCheck, IconX } from "@tabler/icons-react";
import { useEffect, type JSX } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";

import { useRefusalWords, type Key } from "../i18n/index.ts";
import { refusalOf } from "../net/index.ts";
import type { Refusal } from "@guichet/protocol";
import { discardCommand, retryCommand, useRefusedCommands } from "../store/commands.ts";

interface Toast {
  id: number;
  said: Refusal | { key: Key };
}

const toasts = createStore<readonly Toast[]>(() => []);
let last = 0;

function put(said: Toast["said"]): void {
  last += 1;
  // Said again, it is said once.
  const others = (toast: Toast) => JSON.stringify(toast.said) !== JSON.stringify(said);
  toasts.setState((all) => [...all.filter(others).slice(-2), { id: last, said }], true);
}

/** Says, in the corner and without stealing the focus, that something was refused. */
export function report(error: unknown): void {
  put(refusalOf(error));
}

/** Says that something is done, where the screen itself does not show it. */
export function say(key: Key): void {
  put({ key });
}

function drop(id: number): void {
  toasts.setState((all) => all.filter((toast) => toast.id !== id), true);
}

function One({ toast }: { toast: Toast }): JSX.Element {
  const { t } = useTranslation();
  const words = useRefusalWords();
  const bad = "kind" in toast.said;
  useEffect(() => {
    const timer = setTimeout(() => drop(toast.id), 8_000);
    return () => clearTimeout(timer);
  }, [toast.id]);
  return (
    <div className="toast">
      {bad ? (
        <IconAlertTriangle size={16} color="var(--bad-ink)" />
      ) : (
        <IconCheck size={16} color="var(--good-ink)" />
      )}
      <span>{"kind" in toast.said ? words(toast.said) : t(toast.said.key)}</span>
      <IconButton label={t("app.dismiss")} size={22} onClick={() => drop(toast.id)}>
        <IconX size={14} />
      </IconButton>
    </div>
  );
}

/** Kept commands that the server refused: they stay until somebody decides. */
function RefusedCommands(): JSX.Element {
  const { t } = useTranslation();
  const words = useRefusalWords();
  const refused = useRefusedCommands();
  return (
    <>
      {refused.slice(0, 3).map((entry) => (
        <div className="toast" key={entry.key}>
          <IconAlertTriangle size={16} color="var(--bad-ink)" />
          <span>
            <strong>{t(`command.${entry.name}` as Key)}</strong> {entry.failed && words(entry.failed)}
          </span>
          <button type="button" className="ui-link" onClick={() => retryCommand(entry.key)}>
            {t("app.retry")}
          </button>
          <button type="button" className="ui-link" onClick={() => discardCommand(entry.key)}>
            {t("app.discard")}
          </button>
        </div>
      ))}
    </>
  );
}

export function Toasts(): JSX.Element {
  const all = useStore(toasts);
  return (
    <div className="toasts" role="status">
      <RefusedCommands />
      {all.map((toast) => (
        <One key={toast.id} toast={toast} />
      ))}
    </div>
  );
}
