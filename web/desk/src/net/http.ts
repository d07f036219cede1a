import type { Refusal, RefusalKind } from "@guichet/protocol";

/** A request that the server did not carry out, or that never reached it (`unavailable`). */
export class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.code);
    this.refusal = refusal;
  }
}

export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refused) return error.refusal;
  return { kind: "unavailable", code: "desk.unexpected", remedy: String(error) };
}

const KIND_BY_STATUS: Record<number, RefusalKind> = {
  401: "signed_out",
  403: "forbidden",
  404: "not_found",
  409: "conflict",
  413: "too_large",
  422: "invalid",
  429: "limited",
};

let signedOut: () => void = () => {};

/** Names what is called when the server no longer knows this session. */
export function whenSignedOut(then: () => void): void {
  signedOut = then;
}

async function refusalFrom(response: Response): Promise<Refusal> {
  const kind = KIND_BY_STATUS[response.status] ?? "unavailable";
  try {
    const body = (await response.json()) as Partial<Refusal> & { error?: Refusal };
    const said = body.error ?? body;
    if (typeof said.code === "string" && typeof said.kind === "string") return said as Refusal;
  } catch {
    // No JSON: a proxy answered. The status says enough.
  }
  return { kind, code: `http.${response.status}`, remedy: response.statusText };
}

async function call<T>(method: string, path: string, init: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      ...init,
      headers: { "X-Guichet": "1", ...(init.headers as Record<string, string> | undefined) },
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused({ kind: "unavailable", code: "desk.unreachable", remedy: "Try again." });
  }
  if (!response.ok) {
    const refusal = await refusalFrom(response);
    if (response.status === 401 && path !== "/api/sign-in" && path !== "/api/me") signedOut();
    throw new Refused(refusal);
  }
  if (response.status === 204) return undefined as T;
  const type = response.headers.get("content-type") ?? "";
  return (type.includes("json") ? await response.json() : await response.text()) as T;
}

function sendJson<T>(method: string, path: string, body: object, init: RequestInit = {}): Promise<T> {
  return call<T>(method, path, {
    ...init,
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  });
}

/** `/api/x?a=1` from its parts; what is undefined, null or empty is left out. */
export function address(path: string, query: Record<string, string | number | null | undefined>): string {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") words.set(name, String(value));
  }
  const text = words.toString();
  return text === "" ? path : `${path}?${text}`;
}

export const http = {
  get: <T>(path: string, signal?: AbortSignal) => call<T>("GET", path, signal ? { signal } : {}),
  post: <T>(path: string, body: object = {}) => sendJson<T>("POST", path, body),
  put: <T>(path: string, body: object, init?: RequestInit) => sendJson<T>("PUT", path, body, init),
  remove: <T>(path: string) => call<T>("DELETE", path),
  upload: <T>(path: string, file: Blob, name: string) =>
    call<T>("POST", path, {
      body: file,
      headers: {
        "Content-Type": file.type || "application/octet-stream",
        "X-Filename": encodeURIComponent(name),
      },
    }),
};
