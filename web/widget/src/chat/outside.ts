import type { Attachment, Door, OpenRequest, Opened, WireError } from "../wire.ts";
import type { Socket } from "./line.ts";

/** The server said no, and why. */
export class Refusal extends Error {
  constructor(
    readonly error: WireError,
    readonly status: number,
  ) {
    super(error.code);
  }

  /** Asking the same again changes nothing: unknown door, foreign site, a switched-off entry point, a bad e-mail. */
  get isFinal(): boolean {
    return this.status === 403 || this.status === 404 || this.status === 422;
  }
}

/** All that the chat asks of the world; tests give another. */
export interface Outside {
  door(language: string): Promise<Door>;
  open(request: OpenRequest): Promise<Opened>;
  socket(token: string): Socket;
  upload(file: File, token: string, progress: (share: number) => void): Promise<Attachment>;
  download(address: string, token: string): Promise<Blob>;
}

/** `base`: where the script came from, e.g. "https://contact.example". */
export function overHttp(base: string, entry: string): Outside {
  const root = `${base}/api/webchat/${encodeURIComponent(entry)}`;
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const response = await fetch(root + path, {
      credentials: "omit",
      signal: AbortSignal.timeout(10_000),
      ...init,
    });
    if (!response.ok) throw new Refusal(errorIn(await response.text(), response.status), response.status);
    return response;
  };
  return {
    door: async (language) => (await (await ask(`?language=${language}`)).json()) as Door,
    open: async (request) => {
      const headers = { "Content-Type": "application/json" };
      return (await (
        await ask("/open", { method: "POST", headers, body: JSON.stringify(request) })
      ).json()) as Opened;
    },
    socket: (token) =>
      new WebSocket(`${root.replace(/^http/, "ws")}/socket?token=${encodeURIComponent(token)}`),
    upload: (file, token, progress) => upload(`${root}/attachments`, file, token, progress),
    download: async (address, token) =>
      (
        await ask(`/attachments/${encodeURIComponent(address)}`, {
          headers: { "X-Guichet-Token": token },
          signal: null,
        })
      ).blob(),
  };
}

/** `fetch` cannot tell how much of a body has left; this can. */
function upload(
  url: string,
  file: File,
  token: string,
  progress: (share: number) => void,
): Promise<Attachment> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("X-Guichet-Token", token);
    request.setRequestHeader("X-Filename", encodeURIComponent(file.name));
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.addEventListener("progress", (e) => progress(e.loaded / Math.max(1, e.total)));
    request.addEventListener("error", () => reject(new Error("network")));
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300)
        resolve(JSON.parse(request.responseText) as Attachment);
      else reject(new Refusal(errorIn(request.responseText, request.status), request.status));
    });
    request.send(file);
  });
}

function errorIn(body: string, status: number): WireError {
  try {
    const value = JSON.parse(body) as Partial<WireError>;
    if (value.kind && value.code) return { remedy: "", ...value } as WireError;
  } catch {
    // a proxy's page, not ours
  }
  return { kind: "unavailable", code: `http.${status}`, remedy: "" };
}
