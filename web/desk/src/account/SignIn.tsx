import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useState, type FormEvent, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { useRefusalWords } from "../i18n/index.ts";
import { refusalOf } from "../net/index.ts";
import { signIn, useSession, type Choice } from "../store/session.ts";
import { Door } from "./Door.tsx";

export default function SignIn(): JSX.Element {
  const { t } = useTranslation();
  const words = useRefusalWords();
  const ended = useSession((state) => state.ended);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const [choices, setChoices] = useState<readonly Choice[]>([]);

  async function enter(organisation?: string): Promise<void> {
    setBusy(true);
    setError(null);
    try {
      setChoices(await signIn(email.trim(), password, organisation));
    } catch (refused) {
      const refusal = refusalOf(refused);
      setError(
        refusal.kind === "signed_out" || refusal.kind === "invalid" ? t("account.wrong") : words(refusal),
      );
    }
    setBusy(false);
  }

  if (choices.length > 0) {
    return (
      <Door title={t("account.choose")}>
        <div className="form">
          {choices.map((choice) => (
            <Button
              key={choice.organisation}
              variant="default"
              disabled={busy}
              onClick={() => void enter(choice.organisation)}
            >
              {choice.name}
            </Button>
          ))}
        </div>
      </Door>
    );
  }

  return (
    <Door title={t("account.sign_in")} hint={ended === null ? undefined : t("account.ended")}>
      <form
        className="form"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          void enter();
        }}
      >
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
