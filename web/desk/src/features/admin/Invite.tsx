import { Button, CopyButton, TextInput } from "@mantine/core";
import { useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { report } from "../../app/toasts.tsx";
import { http } from "../../net/index.ts";
import { Dialog } from "../../shared/Dialog.tsx";

/** Makes a link with which an agent chooses a password. */
export function Invite({ agent }: { agent: string }): JSX.Element {
  const { t } = useTranslation();
  const [link, setLink] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  function make(): void {
    setBusy(true);
    http
      .post<{ link: string }>("/api/invitations", { agent })
      .then((answer) => setLink(new URL(answer.link, location.origin).href))
      .catch(report)
      .finally(() => setBusy(false));
  }
  return (
    <>
      <Button variant="default" loading={busy} onClick={make}>
        {t("admin.invite")}
      </Button>
      {link !== null && (
        <Dialog close={() => setLink(null)} title={t("admin.invite")}>
          <div className="form">
            <p>{t("admin.invite_hint")}</p>
            <TextInput
              aria-label={t("admin.invite")}
              value={link}
              readOnly
              onFocus={(event) => event.currentTarget.select()}
            />
            <div className="form-acts">
              <CopyButton value={link}>
                {({ copied, copy }) => (
                  <Button onClick={copy}>{t(copied ? "admin.copied" : "admin.copy")}</Button>
                )}
              </CopyButton>
            </div>
          </div>
        </Dialog>
      )}
    </>
  );
}
