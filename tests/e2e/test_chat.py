"""A visitor's chat and the agent who answers it, in two browsers, on both engines."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from bench.measure import percentile
from tests.e2e.browser import Browser
from tests.e2e.demonstration import Agent, Demonstration, Visitor, quiet, taken_chat
from tests.e2e.latency import measure

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

FIRST = "Bonjour, ma lampe Ondine est arrivée cassée."
MESSAGES = 50
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def test_a_chat_seen_from_both_sides(browser: Browser, demo: Demonstration, tmp_path: Path) -> None:
    await demo.clear()
    visitor, paul = Visitor(browser, demo.url), Agent(browser, demo.url)
    paul.sign_in()
    paul.available()
    visitor.begin(FIRST)
    paul.page.see(".offer:has-text('Inès Caradec')")
    paul.page.shot("chat-offer")
    paul.accept(FIRST)
    visitor.page.see(".head:has-text('Paul Lemaire')")

    paul.write("Bonjour Inès, je regarde.")
    visitor.page.see(".typing")
    paul.page.press("Enter")
    visitor.sees("Bonjour Inès, je regarde.")
    visitor.write("Merci, voici une photo.")
    paul.page.see(".writing:has-text('Inès Caradec')")
    visitor.page.press("Enter")
    paul.sees("Merci, voici une photo.")

    picture = tmp_path / "lampe.png"
    picture.write_bytes(PIXEL)
    visitor.send_file(picture)
    paul.page.see(".thread img[alt='lampe.png']")
    shown = (
        "() => [...document.querySelectorAll('.thread img')].every((i) => i.complete && i.naturalWidth > 0)"
    )
    paul.page.do(["waitForFunction", shown])

    said = [FIRST, "Bonjour Inès, je regarde.", "Merci, voici une photo."]
    assert visitor.thread() == paul.thread() == said
    visitor.page.reload()
    paul.page.reload()
    visitor.sees("Bonjour Inès, je regarde.")
    paul.sees("Merci, voici une photo.")
    assert visitor.thread() == paul.thread() == said
    visitor.page.shot("chat-visitor")
    paul.page.shot("chat-agent")

    took = measure(visitor.page, paul.page, (visitor.say, paul.say), (visitor.sees, paul.sees), MESSAGES)
    p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
    print(f"DOM to DOM over {MESSAGES} messages: p50 {p50:.1f} ms, p99 {p99:.1f} ms")  # noqa: T201 - the figure
    assert p50 < 250, "an order of magnitude only: bench measures"

    paul.page.press("Escape", "e")
    paul.page.see(".wrapup")
    visitor.page.see(".ended")
    visitor.page.shot("chat-ended")
    paul.page.on(".wrapup input[value=damaged]", "check")
    paul.page.fill(".wrapup textarea", "Remplacement promis.")
    paul.page.shot("chat-wrapup")
    paul.page.press("Control+Shift+Enter")
    paul.page.miss(".wrapup")

    async with demo.as_person("claire") as http:
        found = (await http.get("/api/conversations", params={"agent": "paul", "state": "closed"})).json()
        row = next(row for row in found if row["customer_name"] == "Inès Caradec")
        assert row["disposition"] == "damaged"
        path = f"/api/conversations/{row['conversation']}/messages"
        messages = (await http.get(path, params={"limit": 200})).json()
    texts = [message["text"] for message in messages if message["text"]]
    measured = [f"mesure {number}." for number in range(MESSAGES)]
    assert texts == [*said, *measured, "Remplacement promis."]
    assert not quiet(visitor.page, paul.page)
    visitor.page.close()
    paul.page.close()


AWAY = """() => {
  const send = WebSocket.prototype.send;
  let first = true;
  WebSocket.prototype.send = function (text) {
    const frame = JSON.parse(text);
    if (!first || frame.name !== 'send_message') return send.call(this, text);
    first = false;
    const error = { kind: 'unavailable', code: 'leader.unavailable', remedy: '' };
    const data = JSON.stringify({ op: 'answer', id: frame.id, error });
    queueMicrotask(() => this.dispatchEvent(new MessageEvent('message', { data })));
  };
}"""
"""The leader is away when the first reply reaches it, as just after a start, and there again for the next."""


async def test_replies_of_an_outage_keep_their_order(browser: Browser, demo: Demonstration) -> None:
    visitor, paul = await taken_chat(browser, demo, FIRST)
    await demo.kill()
    paul.page.see(".bar[data-tone=warn]")
    paul.page.evaluate(AWAY)
    said = ["D'abord ceci.", "Puis cela.", "Enfin ceci."]
    for words in said:
        paul.say(words)
    await demo.start()
    visitor.sees(said[-1], 30)
    paul.page.miss(".message[data-pending]", 30)
    assert visitor.thread() == [FIRST, *said]
    assert paul.thread() == [FIRST, *said]
    paul.page.reload()
    paul.sees(said[-1])
    assert paul.thread() == [FIRST, *said]
    visitor.page.close()
    paul.page.close()


async def test_words_typed_during_an_outage_are_said_once(browser: Browser, demo: Demonstration) -> None:
    visitor, paul = await taken_chat(browser, demo, FIRST)

    await demo.kill()
    visitor.say("Vous êtes toujours là ?")
    visitor.say("Je reste en ligne.")
    paul.say("Un instant, je vérifie.")
    paul.page.see(".bar[data-tone=warn]")
    visitor.page.see(".bar.warn")
    paul.page.shot("outage-agent")
    visitor.page.shot("outage-visitor")
    await demo.start()
    visitor.sees("Un instant, je vérifie.", 30)
    paul.sees("Je reste en ligne.", 30)
    paul.page.miss(".bar")
    visitor.page.miss(".bar.warn")

    for page in (visitor.page, paul.page):
        page.offline(cut=True)
    visitor.say("Mon réseau est tombé.")
    paul.say("Le mien aussi.")
    visitor.page.see(".bar.warn")
    paul.page.see(".bar[data-tone=warn]")
    for page in (visitor.page, paul.page):
        page.offline(cut=False)
    visitor.sees("Le mien aussi.", 30)
    paul.sees("Mon réseau est tombé.", 30)

    for words in (visitor.thread(), paul.thread()):
        assert sorted(words) == sorted({
            FIRST, "Vous êtes toujours là ?", "Je reste en ligne.", "Un instant, je vérifie.",
            "Mon réseau est tombé.", "Le mien aussi.",
        })  # fmt: skip
        own = [line for line in words if line in {"Vous êtes toujours là ?", "Je reste en ligne."}]
        assert own == ["Vous êtes toujours là ?", "Je reste en ligne."]
    # What both showed is what the log holds.
    visitor.page.reload()
    paul.page.reload()
    visitor.sees("Le mien aussi.")
    paul.sees("Mon réseau est tombé.")
    assert visitor.thread() == paul.thread()
    assert len(visitor.thread()) == 6
    assert not [
        fault for page in (visitor.page, paul.page) for fault in page.faults() if "exception" in fault
    ]
    visitor.page.close()
    paul.page.close()
