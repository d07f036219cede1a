import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { Ask, Door } from "../wire.ts";
import { excess } from "./Composer.tsx";
import { useTools } from "./context.ts";
import { MoonIcon } from "./icons.tsx";

export function asksSomething({ form }: Door): boolean {
  return form.name !== "no" || form.email !== "no";
}

type Problems = Partial<Record<"name" | "email" | "message", string>>;

/** Who writes, and what about, in one step. Outside opening hours it is how one leaves a message. */
export function Form({ door }: { door: Door }): JSX.Element {
  const { chat, say } = useTools();
  const known = chat.who();
  const [name, setName] = useState(known.name ?? "");
  const [email, setEmail] = useState(known.email ?? "");
  const [message, setMessage] = useState(() => chat.draft());
  const [problems, setProblems] = useState<Problems>({});
  const form = useRef<HTMLFormElement>(null);
  // While nobody is there an answer can only come by mail.
  const askEmail: Ask = !door.open && door.form.email === "optional" ? "required" : door.form.email;

  const submit = (event: Event): void => {
    event.preventDefault();
    const found: Problems = {};
    if (door.form.name === "required" && !name.trim()) found.name = say("name_missing");
    if (askEmail === "required" && !email.trim()) found.email = say("email_missing");
    else if (askEmail !== "no" && email.trim() && !/^[^@\s]+@[^@\s]+\.[^@\s.]+$/.test(email.trim()))
      found.email = say("email_wrong");
    if (!message.trim()) found.message = say("message_missing");
    else if (excess(message) > 0) found.message = say("too_long_by", { n: excess(message) });
    setProblems(found);
    const [first] = Object.keys(found);
    if (first) {
      form.current?.querySelector<HTMLElement>(`[name=${first}]`)?.focus();
      return;
    }
    chat.introduce({
      ...(name.trim() ? { name: name.trim() } : {}),
      ...(email.trim() ? { email: email.trim() } : {}),
    });
    chat.say(message.trim());
  };

  return (
    <form ref={form} class="body form" noValidate onSubmit={submit}>
      {door.open ? (
        <p class="welcome">
          <strong>{door.greeting || say("welcome")}</strong>
          {say("welcome_hint")}
        </p>
      ) : (
        <p class="welcome closed">
          <MoonIcon />
          <strong>{say("closed_title")}</strong>
          {door.hours ? `${door.hours} ` : ""}
          {say(askEmail === "no" ? "closed_here" : "closed_mail")}
        </p>
      )}
      {door.form.name !== "no" && (
        <Field name="name" ask={door.form.name} label={say("name")} problem={problems.name}>
          <input
            name="name"
            autocomplete="name"
            maxLength={80}
            value={name}
            onInput={(e) => setName(e.currentTarget.value)}
            {...describe("name", door.form.name, problems.name)}
          />
        </Field>
      )}
      {askEmail !== "no" && (
        <Field
          name="email"
          ask={askEmail}
          label={say("email")}
          problem={problems.email}
          hint={say(door.open ? "email_hint" : "email_hint_closed")}
        >
          <input
            name="email"
            type="email"
            inputMode="email"
            autocomplete="email"
            maxLength={254}
            value={email}
            onInput={(e) => setEmail(e.currentTarget.value)}
            {...describe("email", askEmail, problems.email, true)}
          />
        </Field>
      )}
      <Field name="message" ask="required" label={say("message")} problem={problems.message}>
        <textarea
          name="message"
          rows={3}
          value={message}
          onInput={(e) => {
            setMessage(e.currentTarget.value);
            chat.keepDraft(e.currentTarget.value);
          }}
          {...describe("message", "required", problems.message)}
        />
      </Field>
      <button type="submit" class="firm wide">
        {say(door.open ? "start" : "leave_message")}
      </button>
    </form>
  );
}

interface FieldProps {
  name: string;
  ask: Ask;
  label: string;
  hint?: string;
  problem: string | undefined;
  children: JSX.Element;
}

function Field({ name, ask, label, hint, problem, children }: FieldProps): JSX.Element {
  const { say } = useTools();
  return (
    <div class={problem ? "field bad" : "field"}>
      {/* The control carries the id that describe() gives it. */}
      <label for={`g-${name}`}>
        {label}
        {ask === "optional" && <span class="dim"> ({say("optional")})</span>}
      </label>
      {children}
      {problem ? (
        <span id={`g-${name}-problem`} class="problem">
          {problem}
        </span>
      ) : (
        hint && (
          <span id={`g-${name}-hint`} class="dim hint">
            {hint}
          </span>
        )
      )}
    </div>
  );
}

function describe(
  name: string,
  ask: Ask,
  problem: string | undefined,
  hint = false,
): Record<string, string | boolean> {
  return {
    id: `g-${name}`,
    ...(ask === "required" ? { "aria-required": true } : {}),
    ...(problem ? { "aria-invalid": true, "aria-describedby": `g-${name}-problem` } : {}),
    ...(!problem && hint ? { "aria-describedby": `g-${name}-hint` } : {}),
  };
}
