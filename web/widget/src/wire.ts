/**
 * What the widget and `guichet/channels/webchat` say to each other.
 *
 * GET  /api/webchat/{entry}              -> Door: what a visitor may know before saying who they are (cacheable)
 * POST /api/webchat/{entry}/open         OpenRequest -> Opened (401 signed_out: the token is unknown or expired)
 * POST /api/webchat/{entry}/attachments  raw body, headers `X-Guichet-Token`, `X-Filename` (URL-encoded) -> Attachment
 * GET  /api/webchat/{entry}/attachments/{address}   header `X-Guichet-Token` -> the file
 * WS   /api/webchat/{entry}/socket?token=           ClientFrame, ServerFrame as JSON text
 *
 * The first frame after connecting is `resume`; the server answers it with one `thread` (possibly without
 * messages), then `agent`, `place` or `closed` as they stand. `resume` may be sent again at any time: the
 * widget uses it to find out whether a quiet line is still alive.
 */

/** Whether the form before the chat asks for something. */
export type Ask = "no" | "optional" | "required";

export interface Door {
  client: { name: string; colour: string; mark?: string };
  open: boolean;
  /** When people answer, as a sentence in the language asked for by `?language=`. */
  hours?: string | null;
  /** The client's own first words. */
  greeting?: string | null;
  form: { name: Ask; email: Ask };
}

export interface OpenRequest {
  language: string;
  token?: string;
  name?: string;
  email?: string;
  /** The shop's signature of who is logged in there. */
  identity?: string;
}

export interface Opened extends Partial<Door> {
  token: string;
  customer: string;
  conversation: string | null;
}

export interface Attachment {
  address: string;
  name: string;
  type: string;
  /** Bytes. */
  size: number;
}

export type Status = "queued" | "sent" | "delivered" | "read" | "failed" | "bounced";

export interface WireMessage {
  /** Place in the conversation; grows, with gaps. */
  n: number;
  /** For the visitor's own messages the id that the widget made. */
  id: string;
  author: "me" | "agent" | "system";
  name?: string | null;
  text: string;
  attachments?: Attachment[] | null;
  /** Milliseconds since the epoch. */
  at: number;
  status?: Status | null;
}

export interface Waiting {
  /** 1: the next one. */
  place: number;
  /** Honest range in seconds; absent when nothing can be said. */
  low_s?: number | null;
  high_s?: number | null;
}

export interface WireError {
  kind: string;
  code: string;
  remedy: string;
  field?: string;
  limit?: number;
}

export type ClientFrame =
  | { op: "say"; id: string; text: string; attachments: Attachment[] }
  | { op: "typing" }
  | { op: "read"; n: number }
  | { op: "leave" }
  | { op: "resume"; after: number; conversation?: string };

export type ServerFrame =
  /** New or changed messages. Another `conversation` than the one known: the thread starts anew. */
  | { op: "thread"; n: number; conversation?: string | null; messages: WireMessage[] }
  | { op: "ack"; id: string; n?: number; conversation?: string | null }
  /** kinds `limited` and `unavailable` are tried again under the same id; others are final. */
  | { op: "nack"; id: string; error: WireError }
  | { op: "typing"; name?: string | null }
  | { op: "place"; waiting: Waiting | null }
  | { op: "agent"; name: string | null; country?: string | null }
  | { op: "closed" }
  /** A change of one message's delivery, or of the door itself. */
  | { op: "status"; n?: number; status?: Status; open?: boolean; hours?: string | null };
