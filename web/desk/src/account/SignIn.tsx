import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useState, type FormEvent, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { useRefusalWords } from "../i18n/index.ts";
import { refusalOf } from "../net/index.ts";
import { signIn, useSession } from "../store/session.ts";
import { Door } from "./Door.tsx";

export default function SignIn(): JSX.Element {
  const { t } = useTranslation();
  const words = useRefusalWords();
  const ended = useSession((state) => state.ended);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  function submit(event: FormEvent): void {
    event.preventDefault();
    setBusy(true);
    setError(null);
    signIn(email.trim(), password).catch((refused: unknown) => {
      setBusy(false);
      const refusal = refusalOf(refused);
      setError(
        refusal.kind === "signed_out" || refusal.kind === "invalid" ? t("account.wrong") : words(refusal),
      );
    });
  }

  return (
    <Door title={t("account.sign_in")} hint={ended === null ? undefined : t("account.ended")}>
      <form className="form" onSubmit={submit}>
        <TextInput
          label={t("account.email")}
          type="email"
          autoComplete="username"
          required
          withAsterisk={false}
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          // The one thing to do on this page.
          // oxlint-disable-next-line jsx-a11y/no-autofocus
          autoFocus
        />
        <PasswordInput
          label={t("account.password")}
          autoComplete="current-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          visibilityToggleButtonProps={{ "aria-label": t("account.show_password") }}
        />
        {error !== null && (
          <p className="ui-error" role="alert">
            {error}
          </p>
        )}
        <Button type="submit" loading={busy} fullWidth>
          {t("account.sign_in")}
        </Button>
      </form>
    </Door>
  );
}
