import { IconPencil } from "@tabler/icons-react";
import type { JSX } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";

import { writers } from "../../net/index.ts";
import { useNow } from "../../shared/time.tsx";
import { useNames } from "../../store/directory.ts";
import { useMe } from "../../store/session.ts";

/** Who else writes here just now: said before one starts, not after. */
export function Writing({ conversation, customer }: { conversation: string; customer: string }): JSX.Element {
  const { t } = useTranslation();
  const { agent } = useMe();
  const now = useNow();
  const name = useNames("agent");
  const signals = useStore(writers, (all) => all[conversation]);
  const alive = Object.values(signals ?? {}).filter((signal) => signal.until > now && signal.agent !== agent);
  return (
    <div className="writing" role="status">
      {alive.map((signal) => (
        <span key={signal.agent ?? signal.who} data-collision={signal.agent !== null || undefined}>
          <IconPencil size={14} aria-hidden />{" "}
          {t("composer.writes", { name: signal.agent === null ? customer : name(signal.agent) })}
        </span>
      ))}
    </div>
  );
}
