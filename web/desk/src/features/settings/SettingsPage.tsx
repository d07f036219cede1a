import { Button, SegmentedControl, Select, Switch } from "@mantine/core";
import { useState, type JSX, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { settings, useSettings, type Language, type Settings, type Sound } from "../../store/settings.ts";
import { play } from "../offers/sound.ts";
import { Password } from "./Password.tsx";

const SOUNDS: readonly Sound[] = ["bell", "two_notes", "knock", "none"];

function Choice({
  label,
  hint,
  children,
}: {
  label: string;
  hint?: string;
  children: ReactNode;
}): JSX.Element {
  return (
    <div className="setting">
      <div>
        <strong>{label}</strong>
        {hint !== undefined && <p className="soft">{hint}</p>}
      </div>
      <div>{children}</div>
    </div>
  );
}

function Notifications(): JSX.Element {
  const { t } = useTranslation();
  const on = useSettings((chosen) => chosen.notifications);
  const able = "Notification" in window;
  const [denied, setDenied] = useState(able && Notification.permission === "denied");
  async function change(wanted: boolean): Promise<void> {
    if (wanted && Notification.permission !== "granted") {
      const answer = await Notification.requestPermission();
      setDenied(answer === "denied");
      if (answer !== "granted") return;
    }
    settings.setState({ notifications: wanted });
  }
  return (
    <Choice
      label={t("settings.notifications")}
      hint={t(denied ? "settings.denied" : "settings.notifications_hint")}
    >
      <Switch
        aria-label={t("settings.notifications")}
        checked={on && !denied}
        disabled={!able || denied}
        onChange={(event) => void change(event.currentTarget.checked)}
      />
    </Choice>
  );
}

function choose(change: Partial<Settings>): void {
  settings.setState(change);
}

/** What each agent chooses for himself; at work at once, in every window of this browser. */
export default function SettingsPage(): JSX.Element {
  const { t } = useTranslation();
  const chosen = useSettings((all) => all);
  return (
    <div className="sheet sheet-scroll">
      <header className="sheet-head">
        <h1>{t("page.settings")}</h1>
      </header>
      <div className="settings">
        <Choice label={t("settings.language")}>
          <SegmentedControl
            aria-label={t("settings.language")}
            value={chosen.language}
            onChange={(value) => choose({ language: value as Language })}
            data={[
              { value: "fr", label: t("settings.french") },
              { value: "en", label: t("settings.english") },
            ]}
          />
        </Choice>
        <Choice label={t("settings.theme")}>
          <SegmentedControl
            aria-label={t("settings.theme")}
            value={chosen.theme}
            onChange={(value) => choose({ theme: value as Settings["theme"] })}
            data={[
              { value: "auto", label: t("settings.auto") },
              { value: "light", label: t("settings.light") },
              { value: "dark", label: t("settings.dark") },
            ]}
          />
        </Choice>
        <Choice label={t("settings.density")} hint={t("settings.density_hint")}>
          <SegmentedControl
            aria-label={t("settings.density")}
            value={chosen.density}
            onChange={(value) => choose({ density: value as Settings["density"] })}
            data={[
              { value: "compact", label: t("settings.compact") },
              { value: "roomy", label: t("settings.roomy") },
            ]}
          />
        </Choice>
        <Choice label={t("settings.sound")} hint={t("settings.sound_hint")}>
          <div className="setting-row">
            <Select
              aria-label={t("settings.sound")}
              value={chosen.sound}
              allowDeselect={false}
              onChange={(value) => {
                const sound = (value ?? "bell") as Sound;
                choose({ sound });
                play(sound, chosen.volume);
              }}
              data={SOUNDS.map((sound) => ({ value: sound, label: t(`sound.${sound}`) }))}
              w={170}
            />
            <input
              type="range"
              min={0}
              max={1}
              step={0.05}
              value={chosen.volume}
              disabled={chosen.sound === "none"}
              aria-label={t("settings.volume")}
              onChange={(event) => choose({ volume: Number(event.currentTarget.value) })}
            />
            <Button
              variant="default"
              disabled={chosen.sound === "none"}
              onClick={() => play(chosen.sound, chosen.volume)}
            >
              {t("settings.listen")}
            </Button>
          </div>
        </Choice>
        <Notifications />
        <Choice label={t("settings.letters")} hint={t("settings.letters_hint")}>
          <Switch
            aria-label={t("settings.letters")}
            checked={chosen.letters}
            onChange={(event) => choose({ letters: event.currentTarget.checked })}
          />
        </Choice>
        <Choice label={t("settings.password")} hint={t("settings.password_hint")}>
          <Password />
        </Choice>
      </div>
    </div>
  );
}
