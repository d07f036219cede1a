import { IconCloudOff, IconRefresh } from "@tabler/icons-react";
import { useEffect, useState, type JSX } from "react";
import { useTranslation } from "react-i18next";
import { useStore } from "zustand";

import { useFormat } from "../i18n/index.ts";
import { theNet } from "../net/index.ts";
import { useKeptCount } from "../store/commands.ts";
import { stillMe } from "../store/session.ts";

/** Shorter breaks of the line are nobody's business. */
const QUIET = 1_500;

/** Says since when the line is down and what is kept; or that a newer desk is ready. */
export function OfflineBar(): JSX.Element | null {
  const { t } = useTranslation();
  const format = useFormat();
  const downSince = useStore(theNet().link.status, (status) => status.downSince);
  const build = useStore(theNet().link.status, (status) => status.hello?.build ?? null);
  const [firstBuild, setFirstBuild] = useState<string | null>(null);
  const [shown, setShown] = useState(false);
  const kept = useKeptCount();

  if (firstBuild === null && build !== null) setFirstBuild(build);

  if (downSince === null && shown) setShown(false);

  useEffect(() => {
    if (downSince === null) return undefined;
    const timer = setTimeout(() => {
      setShown(true);
      void stillMe();
    }, QUIET);
    return () => clearTimeout(timer);
  }, [downSince]);

  if (shown && downSince !== null) {
    return (
      <div className="bar" data-tone="warn" role="status">
        <IconCloudOff size={16} />
        <span>
          {t("offline.since", { time: format.time(downSince) })} {t("offline.go_on")}{" "}
          {kept > 0 && t("offline.kept", { count: kept })}
        </span>
        <button type="button" className="ui-link" onClick={() => theNet().link.hurry()}>
          {t("offline.try_now")}
        </button>
      </div>
    );
  }
  if (build !== null && firstBuild !== null && build !== firstBuild) {
    return (
      <div className="bar" role="status">
        <IconRefresh size={16} />
        <span>{t("app.newer")}</span>
        <button type="button" className="ui-link" onClick={() => location.reload()}>
          {t("app.reload")}
        </button>
      </div>
    );
  }
  return null;
}
