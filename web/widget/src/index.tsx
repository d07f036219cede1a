/**
 * The one script tag of a client's shop:
 *
 *   <script src="https://contact.example/widget/guichet.js" data-entry="shop-chat" async></script>
 *
 * `data-language` (fr, en), `data-theme` (light, dark, auto) and `data-identity` (who is logged in, signed by
 * the shop) are optional. Page scripts may call `Guichet.open()`, `Guichet.close()`, `Guichet.identify(signed)`.
 */
import { render } from "preact";
import { Chat } from "./chat/chat.ts";
import { overHttp } from "./chat/outside.ts";
import { openShelf } from "./chat/shelf.ts";
import { App, type Handle } from "./ui/App.tsx";
import baseCss from "./styles/base.css?inline";
import panelCss from "./styles/panel.css?inline";
import phone from "./styles/phone.css?inline";
import threadCss from "./styles/thread.css?inline";
import writing from "./styles/writing.css?inline";
import { ToolsContext } from "./ui/context.ts";
import { pickLanguage, words } from "./words/index.ts";

// Only while the script itself runs does the browser say which tag it came from.
const script = document.currentScript as HTMLScriptElement | null;
let panel: Handle | null = null;
let chat: Chat | null = null;
let identity = script?.dataset["identity"];

export function open(): void {
  panel?.open();
}

export function close(): void {
  panel?.close();
}

/** Tells the chat who is logged in at the shop; `signed` comes from the shop's server. */
export function identify(signed: string): void {
  identity = signed;
  chat?.identify(signed);
}

function start(tag: HTMLScriptElement): void {
  const entry = tag.dataset["entry"];
  if (!entry) {
    console.error("Guichet: the script tag needs data-entry, the id of a webchat entry point");
    return;
  }
  const language = pickLanguage(tag.dataset["language"], document.documentElement.lang, navigator.language);
  const theme = tag.dataset["theme"];
  const base = new URL(".", tag.src).href.replace(/\/(widget\/)?$/, "");
  chat = new Chat(overHttp(base, entry), openShelf(entry), language);
  if (identity) chat.identify(identity);

  const host = document.createElement("guichet-widget");
  host.lang = language;
  // Against whatever the page says about all elements; set through the object model for strict policies.
  host.style.setProperty("all", "initial", "important");
  const shadow = host.attachShadow({ mode: "open" });
  // The phone comes last: it overrules.
  shadow.adoptedStyleSheets = [baseCss, panelCss, threadCss, writing, phone].map(sheet);
  // A shop's own shortcuts must not fire while somebody writes here.
  for (const type of ["keydown", "keyup", "keypress"])
    host.addEventListener(type, (e) => e.stopPropagation());
  // Not inside <body>: a transform there would catch what is fixed to the window.
  document.documentElement.append(host);

  const running = chat;
  const tools = { chat: running, say: words(language) };
  render(
    // oxlint-disable-next-line react/jsx-no-constructed-context-values -- drawn once
    <ToolsContext.Provider value={tools}>
      <App
        entry={entry}
        theme={theme === "light" || theme === "dark" ? theme : "auto"}
        handle={(handle) => {
          panel = handle;
        }}
      />
    </ToolsContext.Provider>,
    shadow,
  );
  void running.begin();
  window.addEventListener("online", () => running.retryNow());
  window.addEventListener("offline", () => running.offline());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") running.retryNow();
  });
}

function sheet(text: string): CSSStyleSheet {
  const made = new CSSStyleSheet();
  made.replaceSync(text);
  return made;
}

if (script) start(script);
