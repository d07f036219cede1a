/** For tests: a server on the other side of fake sockets, which can lose answers, lines and itself. */
import type {
  Attachment,
  ClientFrame,
  Door,
  OpenRequest,
  Opened,
  ServerFrame,
  WireMessage,
} from "../wire.ts";
import type { Socket } from "../chat/line.ts";
import type { Outside } from "../chat/outside.ts";
import { openShelf, type Shelf } from "../chat/shelf.ts";

export class FakeSocket implements Socket {
  closed = false;
  private readonly listeners = new Map<string, ((event: Event) => void)[]>();

  constructor(private readonly server: FakeServer) {}

  send(text: string): void {
    if (!this.closed) this.server.hear(this, JSON.parse(text) as ClientFrame);
  }

  close(): void {
    this.closed = true;
  }

  addEventListener(type: string, listener: (event: Event) => void): void {
    this.listeners.set(type, [...(this.listeners.get(type) ?? []), listener]);
  }

  fire(type: string, event: Event = new Event(type)): void {
    for (const listener of this.listeners.get(type) ?? []) listener(event);
  }
}

export class FakeServer implements Outside {
  /** What is durable: each id once. */
  readonly kept: WireMessage[] = [];
  readonly heard: ClientFrame[] = [];
  readonly opens: OpenRequest[] = [];
  sockets: FakeSocket[] = [];
  up = true;
  /** Words are kept, but their acknowledgement never leaves. */
  mute = false;
  refuse: ((frame: ClientFrame) => ServerFrame | null) | null = null;
  openAnswer: () => Promise<Opened> = () =>
    Promise.resolve({ token: `token${this.opens.length}`, customer: "c", conversation: null });

  door(): Promise<Door> {
    return this.up
      ? Promise.resolve({
          client: { name: "Perle", colour: "#123456" },
          open: true,
          form: { name: "optional", email: "optional" },
        })
      : Promise.reject(new TypeError("network"));
  }

  open(request: OpenRequest): Promise<Opened> {
    if (!this.up) return Promise.reject(new TypeError("network"));
    this.opens.push(request);
    return this.openAnswer();
  }

  socket(): Socket {
    const socket = new FakeSocket(this);
    this.sockets.push(socket);
    setTimeout(() => socket.fire(this.up ? "open" : "close"), 1);
    return socket;
  }

  upload(): Promise<Attachment> {
    return Promise.resolve({ address: "a", name: "n", type: "t/t", size: 1 });
  }

  download(): Promise<Blob> {
    return Promise.resolve(new Blob());
  }

  hear(socket: FakeSocket, frame: ClientFrame): void {
    this.heard.push(frame);
    const answer = this.refuse?.(frame);
    if (answer) {
      this.tell(answer, socket);
      return;
    }
    if (frame.op === "say") {
      if (!this.kept.some((message) => message.id === frame.id))
        this.kept.push({
          n: this.kept.length + 1,
          id: frame.id,
          author: "me",
          text: frame.text,
          at: Date.now(),
        });
      const n = this.kept.find((message) => message.id === frame.id)?.n ?? 0;
      if (!this.mute) this.tell({ op: "ack", id: frame.id, n, conversation: "k" }, socket);
    }
    if (frame.op === "resume") {
      const messages = this.kept.filter((message) => message.n > frame.after);
      this.tell({ op: "thread", n: this.kept.length, conversation: "k", messages }, socket);
    }
  }

  agent(text: string): void {
    const message = { n: this.kept.length + 1, id: `g${this.kept.length}`, author: "agent", name: "Amina", text, at: Date.now() } as const; // prettier-ignore
    this.kept.push(message);
    this.tell({ op: "thread", n: message.n, conversation: "k", messages: [message] });
  }

  tell(frame: ServerFrame, socket = this.sockets.at(-1)): void {
    if (this.up && socket && !socket.closed)
      socket.fire("message", new MessageEvent("message", { data: JSON.stringify(frame) }));
  }

  /** The line breaks; the server is not reachable until `up` is set again. */
  cut(): void {
    this.up = false;
    for (const socket of this.sockets.splice(0)) socket.fire("close");
  }

  get said(): string[] {
    return this.kept.filter((message) => message.author === "me").map((message) => message.text);
  }
}

export function freshShelf(): Shelf {
  localStorage.clear();
  return openShelf("e");
}
