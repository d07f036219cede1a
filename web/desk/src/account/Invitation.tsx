import { Bones } from "@guichet/ui";
import { Button, PasswordInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type FormEvent, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { go, To, usePart } from "../app/router.tsx";
import { useRefusalWords } from "../i18n/index.ts";
import { http, refusalOf } from "../net/index.ts";
import { begin } from "../store/session.ts";
import { Door } from "./Door.tsx";
import { SHORTEST_PASSWORD } from "./SetUp.tsx";

interface Invited {
  name: string;
  organisation: string;
}

/** Opened from an invitation's link: somebody chooses a password and is in. */
export default function Invitation(): JSX.Element {
  const { t } = useTranslation();
  const words = useRefusalWords();
  const token = usePart(1) ?? "";
  const path = `/api/invitations/${encodeURIComponent(token)}`;
  const invited = useQuery({
    queryKey: ["invitation", token],
    queryFn: () => http.get<Invited>(path),
    retry: false,
  });
  const [password, setPassword] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (password.length < SHORTEST_PASSWORD) {
      setError(t("account.too_short", { count: SHORTEST_PASSWORD }));
      return;
    }
    setBusy(true);
    try {
      await http.post(path, { password });
      go("/work", { replace: true });
      await begin();
    } catch (refused) {
      setError(words(refusalOf(refused)));
      setBusy(false);
    }
  }

  if (invited.isPending) {
    return (
      <Door title={t("invitation.title")}>
        <Bones rows={3} height={34} label={t("app.loading")} />
      </Door>
    );
  }
  if (invited.isError) {
    const gone = refusalOf(invited.error).kind !== "unavailable";
    return (
      <Door
        title={t(gone ? "invitation.gone" : "app.unreachable")}
        hint={gone ? t("invitation.gone_hint") : undefined}
      >
        {gone ? (
          <To to="/work" className="ui-link">
            {t("account.sign_in")}
          </To>
        ) : (
          <Button onClick={() => void invited.refetch()}>{t("app.retry")}</Button>
        )}
      </Door>
    );
  }
  return (
    <Door
      title={t("invitation.welcome", { name: invited.data.name })}
      hint={t("invitation.hint", { organisation: invited.data.organisation })}
    >
      <form className="form" onSubmit={(event) => void submit(event)}>
        <PasswordInput
          label={t("account.password")}
          description={t("account.password_hint", { count: SHORTEST_PASSWORD })}
          autoComplete="new-password"
          required
          withAsterisk={false}
          value={password}
          error={error}
          onChange={(event) => {
            setPassword(event.currentTarget.value);
            setError(null);
          }}
          visibilityToggleButtonProps={{ "aria-label": t("account.show_password") }}
        />
        <Button type="submit" loading={busy} fullWidth>
          {t("invitation.do")}
        </Button>
      </form>
    </Door>
  );
}
