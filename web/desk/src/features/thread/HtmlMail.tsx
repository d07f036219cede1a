import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useRef, useState, type JSX } from "react";
import { useTranslation } from "react-i18next";

import { Bones } from "@guichet/ui";
import { http } from "../../net/index.ts";
import { attachmentPath } from "./Attachments.tsx";

/**
 * A mail as its sender laid it out. The server has cleaned it; here it stands in a frame that may run
 * nothing, sends nothing, and loads no picture from elsewhere unless asked to (the server moved their addresses
 * to `data-remote`).
 */
function framed(html: string, pictures: boolean): string {
  const images = pictures ? "data: https: http:" : "data:";
  const body = pictures ? html.replaceAll(" data-remote=", " src=") : html;
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src ${images}; font-src data:; form-action 'none'`;
  return `<!doctype html><meta http-equiv="Content-Security-Policy" content="${policy}"><base target="_blank"><style>body{margin:8px;font:14px/1.45 system-ui,sans-serif;color:#171a21;background:#fff;overflow-wrap:anywhere}img{max-width:100%;height:auto}table{max-width:100%}</style>${body}`;
}

/** A mail's own document; null asks for nothing. */
export function useHtmlMail(conversation: string, address: string | null): UseQueryResult<string> {
  return useQuery({
    queryKey: ["mail", conversation, address],
    queryFn: () => http.get<string>(attachmentPath(conversation, address ?? "")),
    enabled: address !== null,
    staleTime: Infinity,
  });
}

/** Which of the message's files the document shows as pictures of its own. */
export function picturesIn(html: string): ReadonlySet<string> {
  return new Set([...html.matchAll(/ data-file=["']([^"']+)/g)].map((found) => found[1] ?? ""));
}

export function HtmlMail({ mail }: { mail: UseQueryResult<string> }): JSX.Element {
  const { t } = useTranslation();
  const frame = useRef<HTMLIFrameElement>(null);
  const [height, setHeight] = useState(160);
  const [pictures, setPictures] = useState(false);

  function measure(): void {
    const page = frame.current?.contentDocument?.documentElement;
    if (page) setHeight(Math.min(4_000, Math.max(60, page.scrollHeight)));
  }

  if (mail.isPending) return <Bones rows={3} height={30} label={t("app.loading")} />;
  if (mail.isError) {
    return (
      <p className="ui-error">
        {t("mail.cannot_show")}{" "}
        <button type="button" className="ui-link" onClick={() => void mail.refetch()}>
          {t("app.retry")}
        </button>
      </p>
    );
  }
  const remote = mail.data.includes(" data-remote=");
  return (
    <div className="html-mail">
      {remote && !pictures && (
        <p className="soft">
          {t("mail.pictures_off")}{" "}
          <button type="button" className="ui-link" onClick={() => setPictures(true)}>
            {t("mail.show_pictures")}
          </button>
        </p>
      )}
      <iframe
        ref={frame}
        onLoad={measure}
        title={t("mail.original")}
        // Same origin only so that its height can be read; without allow-scripts nothing in it can run.
        sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox"
        referrerPolicy="no-referrer"
        srcDoc={framed(mail.data, pictures)}
        style={{ height }}
      />
    </div>
  );
}
