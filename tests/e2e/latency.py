"""From a key in one window to the words in another: both clocks are this machine's."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.browser import Page

WATCH = """(root) => {
  const at = () => performance.timeOrigin + performance.now();
  const tree = root ? document.querySelector(root).shadowRoot : document.body;
  const seen = (window.seen = {}), sent = (window.sent = {});
  const look = () => {
    for (const found of (tree.textContent || '').matchAll(/mesure (\\d+)\\./g)) seen[found[1]] ??= at();
  };
  new MutationObserver(look).observe(tree, { subtree: true, childList: true, characterData: true });
  tree.addEventListener('keydown', (event) => {
    const number = /mesure (\\d+)\\./.exec(event.target.value || '');
    if (event.key === 'Enter' && number) sent[number[1]] ??= at();
  }, true);
}"""
WIDGET = "guichet-widget"


def measure(
    visitor: Page,
    agent: Page,
    say: tuple[Callable[[str], None], Callable[[str], None]],
    see: tuple[Callable[[str], None], Callable[[str], None]],
    count: int,
    pause_ms: int = 0,
) -> list[float]:
    """Milliseconds, `count` of them, from the Enter of one to the words on the other's screen, in turns.

    `say` and `see`: (the visitor's, the agent's). `pause_ms`: before each turn, for as many turns as would pass what
    the chat's door takes from one visitor.
    """
    visitor.evaluate(WATCH, WIDGET)
    agent.evaluate(WATCH, None)
    for number in range(count):
        if pause_ms:
            visitor.do(["waitForTimeout", pause_ms])
        words = f"mesure {number}."
        say[number % 2](words)
        see[1 - number % 2](words)
    pages = (visitor, agent)
    sent = [page.evaluate("() => window.sent") for page in pages]
    seen = [page.evaluate("() => window.seen") for page in pages]
    return [seen[1 - n % 2][str(n)] - sent[n % 2][str(n)] for n in range(count)]
