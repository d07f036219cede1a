"""The networks between people and the media server: a relay, a router that translates addresses, one that lets no UDP
pass, IPv6."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from guichet.kit.clock import SystemClock
from guichet.media.turn import GOOD_FOR, Turn
from tests.e2e import browser
from tests.e2e.browser import Browser
from tests.media.support import networks as net
from tests.media.support import pages, scenarios
from tests.media.support.carrier import Phone
from tests.media.support.house import House
from tests.media.support.networks import HOME, OUTSIDE, OUTSIDE6, ROUTER, Networks
from tests.media.support.pages import Person
from tests.media.support.scenarios import Audio
from tests.media.support.server import MediaServer
from tests.media.support.speaker import Studio
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

ONE, OTHER = 400, 650
BOTH = (ONE, OTHER)
SECRET = "a secret of the tests"
SIP_PORTS = (5060, 5062)
REACH = """(settings) => {
  window.problems = [];
  const plain = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends plain {
    constructor(options) {
      super({ ...options, ...settings });
      this.addEventListener("icecandidateerror", ({ errorCode, url }) => problems.push([errorCode, url]));
    }
  };
}"""
"""From now on the page's connections have these settings too, and what goes wrong on their way is noted."""
ROUTE = """async () => {
  const all = new Map(await pc.getStats());
  const transport = [...all.values()].find((each) => each.type === "transport");
  const pair = all.get(transport?.selectedCandidatePairId);
  if (!pair) return null;
  const [from, to] = [all.get(pair.localCandidateId), all.get(pair.remoteCandidateId)];
  return { way: from.candidateType, protocol: from.protocol, relay: from.relayProtocol ?? "", to: to.address };
}"""

ADDRESSES = """async () => {
  const all = [...(await pc.getStats()).values()];
  return all.filter((each) => each.type === "local-candidate" && each.candidateType === "prflx").length;
}"""
"""How many addresses of its own a page has learnt from the server's answers."""


async def comes(chromium: Browser, server: MediaServer, endpoint: str, hertz: int, **reach: Any) -> Person:
    """Somebody with a page that has such settings for its connection; it makes an offer."""
    person = Person(chromium.visit("http://127.0.0.1", endpoint), server, endpoint, hertz)
    await person.does(REACH, reach)
    await person.offer(endpoint)
    return person


async def connects(chromium: Browser, server: MediaServer, endpoint: str, hertz: int, **reach: Any) -> Person:
    person = await comes(chromium, server, endpoint, hertz, **reach)
    await server.events.wait_for("connected", endpoint=endpoint, within=10)
    return person


async def talk(server: MediaServer, one: str, other: str) -> None:
    await server.control.room("c1", endpoints=[one, other], hears={one: [other], other: [one]})


def only_relayed(turn: Turn, *, at: int) -> dict[str, Any]:
    """Settings of a page that may go by the relay alone; `at` in ms since 1970: when its credentials were made."""
    return {
        "iceTransportPolicy": "relay",
        "iceServers": [msgspec.structs.asdict(server) for server in turn.servers("ines", at)],
    }


# -- a relay on this machine -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.running(*pages.FLAGS) as started:
        yield started


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[str]:
    with net.relay(SECRET, tmp_path, more=("--allow-loopback-peers",)) as port:
        yield f"turn:127.0.0.1:{port}"


async def test_two_pages_talk_through_a_relay(house: House, chromium: Browser, relay: str) -> None:
    now = SystemClock().now()
    urls = {"udp": relay, "tcp": f"{relay}?transport=tcp"}
    one, other = [
        await connects(
            chromium, house.server, f"web-{way}", hertz, **only_relayed(Turn([url], SECRET), at=now)
        )
        for (way, url), hertz in zip(urls.items(), BOTH, strict=True)
    ]
    await talk(house.server, one.endpoint, other.endpoint)
    await one.hears({OTHER}, BOTH)
    await other.hears({ONE}, BOTH)
    for person, way in ((one, "udp"), (other, "tcp")):
        route = await person.does(ROUTE)
        assert (route["way"], route["relay"], route["to"]) == ("relay", way, "127.0.0.1")


@pytest.mark.parametrize(("secret", "age"), [("another secret", 0), (SECRET, GOOD_FOR + 60_000)])
async def test_the_page_is_told_of_credentials_that_are_wrong_or_too_old(
    house: House, chromium: Browser, relay: str, secret: str, age: int
) -> None:
    turn = Turn([relay], secret)
    person = await comes(
        chromium, house.server, "web-ines", ONE, **only_relayed(turn, at=SystemClock().now() - age)
    )
    problems = await wait_until(lambda: person.does("() => problems"), "the page is told", 5)
    assert {code for code, _ in problems} == {401}
    assert relay in problems[0][1]
    assert not house.server.events.count("connected")
    await house.server.control.act("web-ines", "hangup", cause="no_way")
    await house.server.events.wait_for("left", endpoint="web-ines", who="us", cause="no_way")


# -- a home and its router ---------------------------------------------------------------------------------------


class OutsideServer(MediaServer):
    """At the addresses of the outside; but its ports are looked for where those of all other tests are."""

    def __init__(self, *args: Any, web_host: str, **config: Any) -> None:
        with net.here():
            super().__init__(*args, rtp_host=OUTSIDE, public_host=OUTSIDE, **config)
        for name, host in (
            ("sip_udp", OUTSIDE),
            ("sip_tcp", OUTSIDE),
            ("web_udp", web_host),
            ("web_tcp", web_host),
        ):
            self.config[name] = self.config[name].replace("127.0.0.1", host)


@dataclass(frozen=True)
class Home:
    """People at home, and a server outside whose only trunk is theirs."""

    networks: Networks
    server: MediaServer
    studio: Studio
    chromium: Browser
    folder: Path
    phones: list[Phone]

    async def calls(self, hertz: int) -> tuple[Phone, str]:
        """Somebody calls with a telephone that knows its private address only, is answered and speaks."""
        port = SIP_PORTS[len(self.phones)]
        with self.networks.home.entered():
            speaker = self.studio.speaker(hertz, host=HOME)
            phone = Phone(self.folder, HOME, port, speaker)
            self.phones.append(phone)
            scenario = scenarios.caller(Audio(speaker.port, HOME), sender="+33140000001", to="+33140000099")
            phone.start(scenario.replace(";branch=", ";rport;branch="), f"{OUTSIDE}:{self.server.sip_port}")
        event = await self.server.events.wait_for("offered", trunk="home")
        endpoint = str(event["endpoint"])
        await self.server.control.act(endpoint, "answer")
        await phone.lived("answered")
        media = next(line for line in phone.story if line.startswith("media "))
        speaker.speak_to(int(media.split()[1]), OUTSIDE)
        await self.server.events.wait_for("answered", endpoint=endpoint)
        return phone, endpoint

    def does(self, phone: Phone, word: str) -> None:
        with self.networks.home.entered():
            phone.do(word)


@pytest.fixture(scope="module")
def networks() -> Iterator[Networks]:
    with ExitStack() as ends:
        try:
            laid = ends.enter_context(Networks.laid())
        except net.NoNetworks as refused:
            pytest.skip(f"this machine lets nobody make a network namespace: {refused}")
        yield laid


@pytest.fixture(scope="module")
def chromium_at_home(networks: Networks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = os.environ.get("GUICHET_CHROMIUM", "/usr/bin/chromium")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GUICHET_CHROMIUM", str(networks.home.program(program, tmp_path_factory.mktemp("home"))))
        with browser.running(*pages.FLAGS) as started:
            yield started


@pytest_asyncio.fixture
async def home(
    request: pytest.FixtureRequest,
    networks: Networks,
    chromium_at_home: Browser,
    media_program: Path,
    tmp_path: Path,
) -> AsyncIterator[Home]:
    """The parameter: the server's address for browsers."""
    web_host = getattr(request, "param", OUTSIDE)
    phones: list[Phone] = []
    networks.lets_through()
    with networks.outside.entered(), Studio() as studio:
        async with OutsideServer.running(media_program, tmp_path, web_host=web_host) as server:
            await server.control.trunks(
                {
                    "id": "home", "peer": f"{ROUTER}:5060", "transport": "udp", "allow": [f"{ROUTER}/32"],
                    "codecs": ["PCMA"], "max_calls": 10, "max_per_s": 10, "countries": ["+33"],
                }
            )  # fmt: skip
            try:
                yield Home(networks, server, studio, chromium_at_home, tmp_path, phones)
            finally:
                for phone in phones:
                    phone.end()


async def test_telephones_behind_a_router_hear_each_other(home: Home) -> None:
    (one, a), (other, b) = [await home.calls(hertz) for hertz in BOTH]
    await talk(home.server, a, b)
    await one.speaker.hears({OTHER}, BOTH)
    await other.speaker.hears({ONE}, BOTH)
    assert f"received={ROUTER}" in one.messages(), "there was no router in between"
    await home.server.control.act(a, "hold")
    await one.lived("direction sendonly")
    home.does(other, "HANGUP")
    await home.server.events.wait_for("left", endpoint=b, who="them")
    await home.server.control.act(a, "hangup", cause="normal")
    await one.lived("got BYE")


async def talks_from_home(home: Home, **reach: Any) -> dict[str, Any]:
    """A page and a telephone at home hear each other; gives the page's way to the server."""
    phone, a = await home.calls(ONE)
    page = await connects(home.chromium, home.server, "web-home", OTHER, **reach)
    await talk(home.server, a, page.endpoint)
    await page.hears({ONE}, BOTH)
    await phone.speaker.hears({OTHER}, BOTH)
    return dict(await page.does(ROUTE))


async def test_a_page_behind_a_router(home: Home) -> None:
    route = await talks_from_home(home)
    assert route == {"way": "prflx", "protocol": "udp", "relay": "", "to": OUTSIDE}, (
        "prflx: as the router shows it"
    )


async def test_pages_whose_router_gets_another_address_go_on(home: Home) -> None:
    both = [await connects(home.chromium, home.server, f"web-{hertz}", hertz) for hertz in BOTH]
    one, other = both
    await talk(home.server, one.endpoint, other.endpoint)
    await one.hears({OTHER}, BOTH)
    known = [await person.does(ADDRESSES) for person in both]

    async def learnt() -> bool:
        return all(
            now > then
            for now, then in zip([await person.does(ADDRESSES) for person in both], known, strict=True)
        )

    with home.networks.renumbered():
        await wait_until(learnt, "both pages have learnt their new address")
        await one.hears({OTHER}, BOTH)
        await other.hears({ONE}, BOTH)
    assert not home.server.events.count("left")


async def test_a_page_from_which_no_udp_comes_through_takes_tcp(home: Home) -> None:
    home.networks.lets_through("meta l4proto tcp", f"udp dport != {home.server.web_port}")
    route = await talks_from_home(home)
    assert (route["protocol"], route["to"]) == ("tcp", OUTSIDE)


async def test_a_page_in_a_closed_network_takes_the_relay(home: Home, tmp_path: Path) -> None:
    with net.relay(SECRET, tmp_path, host=OUTSIDE) as port:
        home.networks.lets_through(f"tcp dport {port}", f"udp dport != {home.server.web_port}")
        turn = Turn([f"turn:{OUTSIDE}:{port}?transport=tcp"], SECRET)
        servers = [msgspec.structs.asdict(server) for server in turn.servers("ines", SystemClock().now())]
        route = await talks_from_home(home, iceServers=servers)
    assert (route["way"], route["relay"], route["to"]) == ("relay", "tcp", OUTSIDE)


@pytest.mark.parametrize(("home", "protocol"), [(f"[{OUTSIDE6}]", "tcp"), ("[::]", "udp")], indirect=["home"])
async def test_a_page_comes_by_ipv6(home: Home, protocol: str) -> None:
    home.networks.lets_through(
        f"meta nfproto ipv4 udp dport != {home.server.web_port}",
        f"meta nfproto ipv6 meta l4proto {{ {protocol}, icmpv6 }}",
    )
    route = await talks_from_home(home)
    assert (route["protocol"], route["to"]) == (protocol, OUTSIDE6)
