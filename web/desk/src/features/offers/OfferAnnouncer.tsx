import type { WorkRow } from "@guichet/protocol";
import { useEffect, useRef, useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { go } from "../../app/router.tsx";
import { serverNow } from "../../net/index.ts";
import { useNames } from "../../store/directory.ts";
import { useMe } from "../../store/session.ts";
import { settings } from "../../store/settings.ts";
import { useEach, useView, type View } from "../../store/views.ts";
import { play } from "./sound.ts";

/** Seconds before the end at which the sound comes again, louder. */
const LAST_CALL = 6;
const NO_OFFERS: readonly WorkRow[] = [];

function playLouder(): void {
  const { sound, volume } = settings.getState();
  play(sound, Math.min(1, volume * 1.6));
}

/**
 * Tells of an offer, wherever one is in the desk: to screen readers once, by the chosen sound (again and
 * louder near the end), and when the window is hidden by the title and a notification of the system.
 */
export function OfferAnnouncer(): JSX.Element {
  const { t } = useTranslation();
  const { agent } = useMe();
  const rows = useView("my_work", agent, (view: View<WorkRow>) => view.rows);
  const offers = rows.some((row) => row.state === "offered")
    ? rows.filter((row) => row.state === "offered")
    : NO_OFFERS;
  const conversations = useEach(
    "conversation",
    offers.map((row) => row.conversation),
  );
  const clientName = useNames("client");
  const told = useRef(new Set<string>());
  const [words, setWords] = useState("");
  const count = offers.length;

  useEffect(() => {
    document.title = count > 0 ? `(${count}) ${t("offer.title")} · Guichet` : "Guichet";
  }, [count, t]);

  useEffect(() => {
    const timers: ReturnType<typeof setTimeout>[] = [];
    for (const row of offers) {
      const name = conversations.get(row.conversation)?.customer_name;
      if (name === undefined || row.offer === null || told.current.has(row.offer)) continue;
      told.current.add(row.offer);
      const { sound, volume, notifications } = settings.getState();
      const said = t("offer.announce", {
        name: name || t("customer.nameless"),
        client: clientName(row.client),
      });
      setWords(said);
      play(sound, volume);
      if (
        document.hidden &&
        notifications &&
        "Notification" in window &&
        Notification.permission === "granted"
      ) {
        const note = new Notification(said, { tag: row.offer });
        note.addEventListener("click", () => {
          window.focus();
          go("/work");
          note.close();
        });
      }
    }
    for (const row of offers) {
      if (row.deadline === null) continue;
      const wait = row.deadline - LAST_CALL * 1000 - serverNow();
      if (wait <= 0) continue;
      timers.push(setTimeout(playLouder, wait));
    }
    return () => {
      for (const timer of timers) clearTimeout(timer);
    };
  }, [offers, conversations, clientName, t]);

  return (
    <div className="hidden" role="alert" aria-live="assertive">
      {words}
    </div>
  );
}
