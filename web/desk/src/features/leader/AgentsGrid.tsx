import type { AgentStateRow, Presence } from "@guichet/protocol";
import { Empty, IconButton, VirtualList } from "@guichet/ui";
import { Menu, TextInput } from "@mantine/core";
import { IconDots, IconPlugConnectedX, IconSearch } from "@tabler/icons-react";
import { useMemo, useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { report } from "../../app/toasts.tsx";
import { useFormat } from "../../i18n/index.ts";
import { PresenceIcon, PRESENCES } from "../../shared/presence.tsx";
import { Since } from "../../shared/time.tsx";
import { commands } from "../../store/commands.ts";
import { useNames } from "../../store/directory.ts";
import { countDoings, doing, DOINGS, type Doing } from "./figures.ts";

/** A leader changes what an agent is doing: somebody left without saying so. */
export function PresenceMenu({ row, name }: { row: AgentStateRow; name: string }): JSX.Element {
  const { t } = useTranslation();
  function choose(presence: Presence): void {
    commands.setPresence(presence, null, row.agent).catch(report);
  }
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <IconButton label={t("agents.change", { name })}>
          <IconDots size={16} />
        </IconButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t("agents.change_label")}</Menu.Label>
        {PRESENCES.map((one) => (
          <Menu.Item
            key={one}
            leftSection={<PresenceIcon presence={one} />}
            disabled={one === row.presence}
            onClick={() => choose(one)}
          >
            {t(`presence.${one}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function Load({ row }: { row: AgentStateRow }): JSX.Element {
  const share = row.capacity > 0 ? Math.min(1, row.load / row.capacity) : 0;
  return (
    <span className="load">
      <span className="load-bar" aria-hidden>
        <i style={{ width: `${share * 100}%` }} />
      </span>
      <span className="num">
        {row.load}/{row.capacity}
      </span>
    </span>
  );
}

interface AgentsGridProps {
  rows: readonly AgentStateRow[];
  chosen: string | null;
  open(agent: string): void;
}

/** Every agent: what they do, since when, with how much in hand. */
export function AgentsGrid({ rows, chosen, open }: AgentsGridProps): JSX.Element {
  const { t } = useTranslation();
  const format = useFormat();
  const agent = useNames("agent");
  const site = useNames("site");
  const team = useNames("team");
  const reason = useNames("reason");
  const [only, setOnly] = useState<Doing | null>(null);
  const [words, setWords] = useState("");
  const counts = useMemo(() => countDoings(rows), [rows]);
  const shown = useMemo(() => {
    const wanted = words.trim().toLowerCase();
    return rows
      .filter((row) => only === null || doing(row) === only)
      .filter((row) =>
        `${agent(row.agent)} ${site(row.site)} ${team(row.team)}`.toLowerCase().includes(wanted),
      )
      .toSorted(
        (a, b) =>
          DOINGS.indexOf(doing(a)) - DOINGS.indexOf(doing(b)) || agent(a.agent).localeCompare(agent(b.agent)),
      );
  }, [rows, only, words, agent, site, team]);

  return (
    <section className="agents" aria-label={t("agents.title")}>
      <div className="sheet-head">
        <h2>{t("agents.title")}</h2>
        <div className="chips" role="group" aria-label={t("agents.filter")}>
          {DOINGS.filter((one) => counts[one] > 0).map((one) => (
            <button
              key={one}
              type="button"
              className="chip"
              aria-pressed={only === one}
              onClick={() => setOnly(only === one ? null : one)}
            >
              <PresenceIcon presence={one === "free" || one === "busy" ? "available" : one} size={14} />
              {t(`doing.${one}`)} <span className="num">{format.number(counts[one])}</span>
            </button>
          ))}
        </div>
        <span className="work-row-gap" />
        <TextInput
          type="search"
          aria-label={t("agents.search")}
          placeholder={t("agents.search")}
          leftSection={<IconSearch size={16} />}
          value={words}
          onChange={(event) => setWords(event.currentTarget.value)}
          w={200}
        />
      </div>
      {shown.length === 0 ? (
        <Empty title={t(rows.length === 0 ? "agents.none" : "agents.none_match")} />
      ) : (
        <>
          <div className="table-row agents-row table-head" aria-hidden>
            <span>{t("agents.name")}</span>
            <span>{t("presence.title")}</span>
            <span className="right">{t("agents.since")}</span>
            <span className="load">{t("agents.load")}</span>
            <span className="wide-only">{t("agents.site")}</span>
            <span className="wide-only">{t("agents.team")}</span>
          </div>
          <VirtualList
            items={shown}
            keyOf={(row) => row.agent}
            heightOf={() => 36}
            label={t("agents.title")}
            render={(row) => (
              <div className="table-row agents-row" data-chosen={row.agent === chosen || undefined}>
                <button
                  type="button"
                  className="bare cut agents-name"
                  data-row
                  onClick={() => open(row.agent)}
                >
                  {agent(row.agent)}
                </button>
                <span className="agents-doing">
                  <PresenceIcon presence={row.presence} size={15} />
                  <span className="cut">{row.reason ? reason(row.reason) : t(`doing.${doing(row)}`)}</span>
                  {!row.connected && row.presence !== "offline" && (
                    <IconPlugConnectedX
                      size={14}
                      role="img"
                      aria-label={t("agents.not_connected")}
                      color="var(--warn-ink)"
                    />
                  )}
                </span>
                <Since at={row.since} />
                <Load row={row} />
                <span className="cut soft wide-only">{site(row.site)}</span>
                <span className="cut soft wide-only">{team(row.team)}</span>
                <PresenceMenu row={row} name={agent(row.agent)} />
              </div>
            )}
          />
        </>
      )}
    </section>
  );
}
