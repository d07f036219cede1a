import type { Presence } from "@guichet/protocol";
import { Keys } from "@guichet/ui";
import { Menu, Tooltip } from "@mantine/core";
import { IconLogout } from "@tabler/icons-react";
import { useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { useAction } from "../../app/actions.ts";
import { report } from "../../app/toasts.tsx";
import { nameIn, useKind, useName } from "../../store/directory.ts";
import { signOut, useMe } from "../../store/session.ts";
import { commands } from "../../store/commands.ts";
import { useOnly, useView, type View } from "../../store/views.ts";
import { PresenceIcon, PRESENCES } from "../../shared/presence.tsx";
import { Since } from "../../shared/time.tsx";
import type { WorkRow } from "@guichet/protocol";

function PresenceKey({ presence, choose }: { presence: Presence; choose(presence: Presence): void }): null {
  useAction(`presence.${presence}`, () => choose(presence));
  return null;
}

/** What a change does to the work in hand, said before it is made. */
function useConsequence(): string {
  const { t } = useTranslation();
  const { agent } = useMe();
  const held = useView(
    "my_work",
    agent,
    (view: View<WorkRow>) => view.rows.filter((row) => row.state === "assigned").length,
  );
  const offered = useView(
    "my_work",
    agent,
    (view: View<WorkRow>) => view.rows.filter((row) => row.state === "offered").length,
  );
  if (held === 0 && offered === 0) return t("presence.no_work");
  const kept = held > 0 ? t("presence.keeps", { count: held }) : "";
  const lost = offered > 0 ? t("presence.withdraws", { count: offered }) : "";
  return [kept, lost].filter(Boolean).join(" ");
}

/** The foot of the rail: what the agent is doing, since when, and the way to change it. */
export function PresenceButton(): JSX.Element {
  const { t } = useTranslation();
  const me = useMe();
  const state = useOnly("me", me.agent);
  const reasons = useKind("reason");
  const reason = useName("reason", state?.reason);
  const consequence = useConsequence();
  const [asked, setAsked] = useState<Presence | null>(null);

  if (asked !== null && state?.presence === asked) setAsked(null);
  const presence = asked ?? state?.presence ?? "offline";
  const word = state?.reason && asked === null ? reason : t(`presence.${presence}`);

  function choose(next: Presence, because: string | null = null): void {
    setAsked(next);
    commands.setPresence(next, because).then(
      () => setAsked(null),
      (error: unknown) => {
        setAsked(null);
        report(error);
      },
    );
  }

  return (
    <Menu position="right-end" width={264} withinPortal>
      <Tooltip label={t("presence.now", { word })} position="right">
        <Menu.Target>
          <button type="button" className="rail-presence" data-presence={presence}>
            <PresenceIcon presence={presence} size={20} />
            <span className="hidden">{t("presence.now", { word })}</span>
            <span className="rail-word" aria-hidden>
              {state?.reason && asked === null ? reason : t(`presence.short.${presence}`)}
            </span>
            {state && <Since at={state.since} />}
          </button>
        </Menu.Target>
      </Tooltip>
      <Menu.Dropdown>
        <Menu.Label>{consequence}</Menu.Label>
        {PRESENCES.map((one, index) => (
          <Menu.Item
            key={one}
            leftSection={<PresenceIcon presence={one} />}
            rightSection={<Keys keys={`Alt+${index + 1}`} />}
            aria-current={one === presence ? "true" : undefined}
            onClick={() => choose(one)}
          >
            {t(`presence.${one}`)}
          </Menu.Item>
        ))}
        {reasons.length > 0 && <Menu.Divider />}
        {reasons.map((row) => {
          const kind = (row.value["presence"] ?? "break") as Presence;
          return (
            <Menu.Item
              key={row.id}
              leftSection={<PresenceIcon presence={kind} />}
              onClick={() => choose(kind, row.id)}
            >
              {nameIn(row)}
            </Menu.Item>
          );
        })}
        <Menu.Divider />
        <Menu.Label>{me.name}</Menu.Label>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void signOut().catch(report)}>
          {t("account.sign_out")}
        </Menu.Item>
      </Menu.Dropdown>
      {PRESENCES.map((one) => (
        <PresenceKey key={one} presence={one} choose={choose} />
      ))}
    </Menu>
  );
}
