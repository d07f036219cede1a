import { cssVariablesResolver, Empty, theme } from "@guichet/ui";
import { Button, MantineProvider, useMantineColorScheme } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { i18n } from "../i18n/index.ts";
import { Refused } from "../net/index.ts";
import { begin, useSession, whenLeaving } from "../store/session.ts";
import { useSettings } from "../store/settings.ts";
import { usePart } from "./router.tsx";
import { Shell } from "./Shell.tsx";

const SignIn = lazy(() => import("../account/SignIn.tsx"));
const SetUp = lazy(() => import("../account/SetUp.tsx"));
const Invitation = lazy(() => import("../account/Invitation.tsx"));

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      refetchOnWindowFocus: false,
      retry: (times, error) => times < 2 && error instanceof Refused && error.refusal.kind === "unavailable",
    },
  },
});

whenLeaving(() => queries.clear());

function Chosen(): null {
  const appearance = useSettings((chosen) => chosen.theme);
  const language = useSettings((chosen) => chosen.language);
  const density = useSettings((chosen) => chosen.density);
  const { setColorScheme } = useMantineColorScheme();
  useEffect(() => setColorScheme(appearance), [appearance, setColorScheme]);
  useEffect(() => {
    document.documentElement.lang = language;
    void i18n.changeLanguage(language);
  }, [language]);
  useEffect(() => {
    document.documentElement.dataset["density"] = density;
  }, [density]);
  return null;
}

function Screen(): JSX.Element | null {
  const { t } = useTranslation();
  const phase = useSession((state) => state.phase);
  const invited = usePart(0) === "invitation";
  if (invited) return <Invitation />;
  switch (phase) {
    case "signed_in":
      return <Shell />;
    case "signed_out":
      return <SignIn />;
    case "setup":
      return <SetUp />;
    case "unreachable":
      return (
        <Empty title={t("app.unreachable")} hint={t("app.unreachable_hint")}>
          <Button onClick={() => void begin()}>{t("app.retry")}</Button>
        </Empty>
      );
    default:
      return null;
  }
}

export function App(): JSX.Element {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={cssVariablesResolver} defaultColorScheme="auto">
      <QueryClientProvider client={queries}>
        <Chosen />
        <Suspense fallback={null}>
          <Screen />
        </Suspense>
      </QueryClientProvider>
    </MantineProvider>
  );
}
