// The mailbox of one invented customer. What it sends goes through the centre's own SMTP door.
const words = JSON.parse(document.getElementById("words").textContent);
const language = document.documentElement.lang;
const [nav, main, column, problem, status] = ["threads", "main", "column", "problem", "status"].map((id) =>
  document.getElementById(id),
);
const when = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
let threads = null;
let open = null;
let writing = false;
const seen = new Set(JSON.parse(localStorage.getItem("demo:mail:seen") ?? "[]"));

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

async function ask(path, body) {
  const headers = { "Content-Type": "application/json", "X-Guichet": "1" };
  const response = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body) } : {});
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.remedy ?? String(response.status));
  return answer;
}

function showThreads() {
  nav.replaceChildren(
    ...(threads ?? []).map((thread) => {
      const last = thread.letters.at(-1);
      const button = make(
        "button",
        { type: "button", className: seen.has(last.id) || last.outgoing ? "" : "unread" },
        make("span", { className: "subject", textContent: thread.letters[0].subject || words.mail_no_subject }),
        make("span", { className: "words", textContent: body(last.text).said.replace(/\s+/g, " ").slice(0, 90) }),
        make("span", { className: "words", textContent: when.format(last.at) }),
      );
      button.ariaCurrent = String(thread.id === open);
      button.addEventListener("click", () => choose(thread.id));
      return button;
    }),
  );
  if (threads?.length === 0) nav.append(make("p", { className: "empty", textContent: words.mail_empty }));
}

function choose(id) {
  open = id;
  writing = false;
  problem.textContent = status.textContent = "";
  const thread = threads?.find((each) => each.id === id);
  for (const letter of thread?.letters ?? []) seen.add(letter.id);
  localStorage.setItem("demo:mail:seen", JSON.stringify([...seen].slice(-500)));
  showThreads();
  showColumn();
  main.focus();
}

/** What was said, apart from what was quoted below it. */
function body(text) {
  const lines = text.replace(/\r/g, "").trimEnd().split("\n");
  let start = lines.findIndex((line) => line.startsWith(">"));
  if (start > 0 && /:\s*$/.test(lines[start - 1])) start -= 1;
  return start < 0
    ? { said: lines.join("\n"), quoted: "" }
    : { said: lines.slice(0, start).join("\n").trimEnd(), quoted: lines.slice(start).join("\n") };
}

function showLetter(letter) {
  const { said, quoted } = body(letter.text);
  const element = make(
    "article",
    { className: "letter" },
    make(
      "header",
      {},
      make("strong", { textContent: letter.outgoing ? words.mail_me : letter.other_name || letter.other }),
      make("span", { className: "dim", textContent: when.format(letter.at) }),
    ),
    make("div", { className: "text", textContent: said }),
  );
  if (quoted)
    element.append(
      make("details", {}, make("summary", { textContent: words.mail_quote }), make("div", { textContent: quoted })),
    );
  return element;
}

function showColumn() {
  const thread = threads?.find((each) => each.id === open);
  if (writing) column.replaceChildren(make("h2", { textContent: words.mail_new }), form(null));
  else if (thread)
    column.replaceChildren(
      make("h2", { textContent: thread.letters[0].subject || words.mail_no_subject }),
      ...thread.letters.map(showLetter),
      form(thread),
    );
  else column.replaceChildren(make("p", { className: "dim", textContent: words.mail_choose }));
}

function field(label, control) {
  return make("label", {}, label, control);
}

function form(thread) {
  const to = make("select", {}, ...words.addresses.map((address) => make("option", { value: address, textContent: address })));
  const subject = make("input", { required: true, maxLength: 200 });
  const text = make("textarea", { rows: thread ? 4 : 8, maxLength: 20_000 });
  const key = `demo:mail:draft:${thread?.id ?? "new"}`;
  text.value = localStorage.getItem(key) ?? "";
  text.addEventListener("input", () => localStorage.setItem(key, text.value));
  const element = make("form", { className: "write", noValidate: true });
  if (!thread) element.append(field(words.mail_to, to), field(words.mail_subject, subject));
  const send = make("button", { className: "button firm", textContent: words.mail_send });
  element.append(field(thread ? words.mail_reply : words.mail_text, text), make("div", { className: "actions" }, send));
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.textContent = status.textContent = "";
    if (!text.value.trim()) {
      problem.textContent = words.mail_missing;
      text.focus();
      return;
    }
    send.disabled = true;
    try {
      const last = thread?.letters.at(-1);
      const sent = await ask("/demo/mail/letters", {
        to: to.value,
        subject: subject.value,
        text: text.value,
        answers: last?.id ?? null,
      });
      localStorage.removeItem(key);
      await refresh();
      choose(sent.thread);
      status.textContent = words.mail_sent;
    } catch (error) {
      problem.textContent = words.failed.replace("{why}", error.message);
    }
    send.disabled = false;
  });
  return element;
}

async function refresh() {
  const answer = await ask("/demo/mail/threads");
  if (JSON.stringify(answer.threads) === JSON.stringify(threads)) return;
  const before = threads?.find((each) => each.id === open)?.letters.length;
  threads = answer.threads;
  showThreads();
  const now = threads?.find((each) => each.id === open)?.letters.length;
  const busy = column.contains(document.activeElement) && document.activeElement.tagName === "TEXTAREA";
  if (before !== now && !busy) showColumn();
  else if (before !== now) {
    const thread = threads?.find((each) => each.id === open);
    column.querySelector("form").before(...thread.letters.slice(before).map(showLetter));
  }
}

document.getElementById("new").addEventListener("click", () => {
  writing = true;
  open = null;
  showThreads();
  showColumn();
  column.querySelector("select").focus();
});

async function follow() {
  try {
    if (!document.hidden) await refresh();
  } catch {
    // the process stops or starts: the next look tells
  }
  setTimeout(follow, 2000);
}
showColumn();
void follow();
