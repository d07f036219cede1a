"""Scenarios for sipp in which a test says what happens next.

A sipp scenario runs by itself. To steer one, the test sends it a request of its call (the same Call-ID) whose method
is a word of ours, such as HANGUP: the scenario waits for it and goes on from there. What it lives through it logs:
`call <Call-ID>`, `media <port>`, `rings`, `answered`, `refused <code>`, `ended` and so on; see `carrier.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

PAYLOADS = {"PCMU": 0, "PCMA": 8, "G722": 9}
REFUSALS = (403, 404, 408, 480, 486, 487, 488, 500, 503, 603)
REFERRED, REDIRECTED = "+33140000066", "+33140000055"
"""To whom the far side transfers, and redirects."""
TAG = ";tag=[pid]t[call_number]"
KEPT = ("line", "port", "direction", "target", "them", "us", "via", "invited", "code")
"""Variables of the scenarios; sipp wants each to be used twice, so they are all named at the end."""


@dataclass(frozen=True)
class Audio:
    """What our side of a call says of its audio."""

    port: int
    host: str = "127.0.0.1"
    codecs: Sequence[str] = ("PCMA",)
    digits: bool = True
    ptime: int = 20

    moves_to: int = 0
    """Another port of ours that MOVE names; 0: none."""
    session: str = ""
    """What our 200 says of the session's timer (RFC 4028), such as `4;refresher=uac`."""

    def sdp(self, direction: str = "sendrecv", version: int = 1) -> str:
        numbers = [PAYLOADS[codec] for codec in self.codecs] + ([101] if self.digits else [])
        return "\n".join(
            (
                "v=0",
                f"o=carrier 1 {version} IN IP4 {self.host}",
                "s=-",
                f"c=IN IP4 {self.host}",
                "t=0 0",
                f"m=audio {self.port} RTP/AVP {' '.join(map(str, numbers))}",
                *(f"a=rtpmap:{PAYLOADS[codec]} {codec}/8000" for codec in self.codecs),
                *(("a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15") if self.digits else ()),
                f"a=ptime:{self.ptime}",
                f"a={direction}",
            )
        )


@dataclass(frozen=True)
class Login:
    """How a caller answers a challenge (digest)."""

    username: str
    password: str


def caller(audio: Audio, *, sender: str, to: str, login: Login | None = None, offer: bool = True) -> str:
    """Calls. GIVEUP cancels. Without `offer`, the INVITE has no SDP and the ACK answers the offer of the 200."""
    uri = f"sip:{to}@[remote_ip]:[remote_port]"
    us = f"From: <sip:{sender}@{audio.host}>{TAG}"
    ends = f"{us}\nTo:[$them]"
    body = audio.sdp() if offer else ""

    def invite(branch: str, extra: str = "") -> str:
        lines = (_via(branch), us, f"To: <{uri}>", "CSeq: [cseq] INVITE", *([extra] if extra else []))
        return send(
            f"INVITE {uri} SIP/2.0",
            *lines,
            body=body,
            again=True,
            actions=_log("call [call_id]"),
        )

    def ack_of_refusal(next: str = "") -> str:  # noqa: A002
        return send(f"ACK {uri} SIP/2.0", "[last_Via:]", us, "[last_To:]", "CSeq: [cseq] ACK", next=next)

    challenged = ""
    if login:
        answer = f"[authentication username={login.username} password={login.password}]"
        challenged = recv("401", auth=True) + ack_of_refusal() + invite("again", answer)
    return scenario(
        invite("first"),
        challenged,
        label("ringing"),
        recv("100", optional=True, next="ringing"),
        recv("180", _log("rings"), optional=True, next="ringing"),
        recv("183", MEDIA + _log("early"), optional=True, next="ringing"),
        *(recv(str(code), _log(f"refused {code}"), optional=True, next="refused") for code in REFUSALS),
        recv("GIVEUP", optional=True, next="giveup"),
        recv("200", MEDIA + _keep("target", r"sip:[^&gt; ;]*", "Contact:") + _keep("them", ".*", "To:")),
        send(
            "ACK [$target] SIP/2.0", _via("ack"), ends, "CSeq: [cseq] ACK",
            body="" if offer else audio.sdp(), actions=_log("answered"),
        ),
        in_call(audio, ends),
        label("giveup"),
        send(f"CANCEL {uri} SIP/2.0", _via("first"), us, f"To: <{uri}>", "CSeq: [cseq] CANCEL"),
        recv("200", next="ringing"),
        label("refused"),
        ack_of_refusal(next="end"),
        label("end"),
        log("ended"),
    )  # fmt: skip


def called(audio: Audio, login: Login | None = None) -> str:
    """Is called, and rings; with a `login` it challenges first, and the BYE at the end. ANSWER, EARLY (183 with audio),
    BUSY, DECLINE and REDIRECT (302, and it waits to be called again) say what it does; a CANCEL it obeys."""
    first = (
        _keep("via", ".*", "Via:")
        + _keep("them", ".*", "From:")
        + _keep("us", ".*", "To:")
        + _keep("invited", ".*", "CSeq:")
        + _keep("target", r"sip:[^&gt; ;]*", "Contact:")
        + _log("call [call_id]")
        + '<ereg regexp="INVITE sip:([^@]*)@" search_in="msg" assign_to="line,code"/><log message="to [$code]"/>'
        + MEDIA
    )

    def reply(
        status: str, *more: str, body: str = "", again: bool = False, says: str = "", to: str = ""
    ) -> str:
        lines = ("Via:[$via]", "From:[$them]", f"To:[$us]{TAG}", "CSeq:[$invited]", *more)
        return send(
            f"SIP/2.0 {status}", *lines, body=body, again=again, actions=_log(says) if says else "", next=to
        )

    def refuse(name: str, status: str) -> str:
        code = status.partition(" ")[0]
        return label(name) + reply(status, again=True) + recv("ACK", _log(f"refused {code}"), next="end")

    return scenario(
        challenge("INVITE") if login else "",
        recv("ACK") if login else "",
        label("first"),
        recv("INVITE", first + (proof(login) if login else "")),
        believed("welcome") + reply("403 Forbidden") + recv("ACK", _log("refused 403"), next="end")
        if login
        else "",
        label("welcome") if login else "",
        reply("100 Trying"),
        reply("180 Ringing", says="rings"),
        label("ringing"),
        recv("EARLY", optional=True, next="early"),
        recv("BUSY", optional=True, next="busy"),
        recv("DECLINE", optional=True, next="decline"),
        recv("REDIRECT", optional=True, next="redirect"),
        recv("CANCEL", optional=True, next="cancelled"),
        recv("ANSWER"),
        reply("200 OK", *_timer(audio), body=audio.sdp(), again=True),
        recv("ACK", _log("answered")),
        in_call(audio, f"From:[$us]{TAG}\nTo:[$them]", login),
        label("early"),
        reply("183 Session Progress", body=audio.sdp(), says="early", to="ringing"),
        refuse("busy", "486 Busy Here"),
        refuse("decline", "603 Decline"),
        label("redirect"),
        reply("302 Moved Temporarily", again=True).replace("sip:carrier@", f"sip:{REDIRECTED}@"),
        recv("ACK", _log("refused 302"), next="first"),
        label("cancelled"),
        ok(),
        refuse("gone", "487 Request Terminated"),
        label("end"),
        log("ended"),
    )


def in_call(audio: Audio, ends: str, login: Login | None = None) -> str:
    """An answered call. HOLD, INACTIVE, RESUME, MOVE (another port), REFRESH (an interval of 90 s, ours to keep), DIGIT
    (5, by INFO), TRANSFER (REFER), DONE and FAILED (the outcome of a REFER that came) and HANGUP are done to the far
    side; what that does is answered: BYE ends the call, and `got <method>` is logged."""

    def request(method: str, *more: str, body: str = "") -> str:
        lines = (_via("[cseq]"), ends, f"CSeq: [cseq] {method}", *more)
        return send(f"{method} [$target] SIP/2.0", *lines, body=body, again=True)

    def renegotiate(name: str, direction: str, version: int, *more: str, to: Audio = audio) -> str:
        return (
            label(name)
            + request("INVITE", *more, body=to.sdp(direction, version))
            + recv("100", optional=True)
            + recv("200", DIRECTION)
            + send("ACK [$target] SIP/2.0", _via("ack[cseq]"), ends, "CSeq: [cseq] ACK", next="talking")
        )

    def outcome(name: str, status: str) -> str:
        return (
            label(name)
            + request(
                "NOTIFY", "Event: refer", "Subscription-State: terminated;reason=noresource",
                "Content-Type: message/sipfrag", body=f"SIP/2.0 {status}",
            )
            + recv("200", next="talking")
        )  # fmt: skip

    moved = replace(audio, port=audio.moves_to or audio.port)
    words = (
        "HOLD", "INACTIVE", "RESUME", "MOVE", "REFRESH", "DIGIT", "TRANSFER", "DONE", "FAILED", "HANGUP",
    )  # fmt: skip
    return "".join(
        (
            label("talking"),
            *(recv(word, optional=True, next=word.lower()) for word in words),
            recv("INVITE", DIRECTION, optional=True, next="asked"),
            *(
                recv(method, _log(f"got {method}"), optional=True, next="granted")
                for method in ("UPDATE", "OPTIONS")
            ),
            recv("INFO", INFORMED, optional=True, next="granted"),
            recv("REFER", _log("got REFER"), optional=True, next="referred"),
            recv("NOTIFY", NOTIFIED, optional=True, next="granted"),
            recv("ACK", optional=True, next="talking"),
            signed_bye(login) if login else recv("BYE", _log("got BYE")),
            ok(next="end"),
            renegotiate("hold", "sendonly", 2),
            renegotiate("inactive", "inactive", 3),
            renegotiate("resume", "sendrecv", 4),
            renegotiate("move", "sendrecv", 6, to=moved),
            renegotiate("refresh", "sendrecv", 1, "Session-Expires: 90;refresher=uac", "Supported: timer"),
            label("transfer"),
            request("REFER", f"Refer-To: <sip:{REFERRED}@[remote_ip]>"),
            recv("202", next="talking"),
            outcome("done", "200 OK"),
            outcome("failed", "486 Busy Here"),
            label("digit"),
            request("INFO", "Content-Type: application/dtmf-relay", body="Signal=5\nDuration=160"),
            recv("200", next="talking"),
            label("granted"),
            ok(next="talking"),
            label("asked"),
            ok(*_timer(audio), body=audio.sdp(version=5)),
            recv("ACK", _log("got INVITE"), next="talking"),
            label("referred"),
            send("SIP/2.0 202 Accepted", *LAST, next="talking"),
            label("hangup"),
            request("BYE"),
            recv("200", next="end"),
        )
    )


def challenge(method: str, actions: str = "", *, inside: bool = False) -> str:
    """A request comes, and is asked who it is (by 401: sipp does not read what answers a 407). `inside`: of a call."""
    lines = [line + TAG if line == "[last_To:]" and not inside else line for line in LAST]
    asked = 'WWW-Authenticate: Digest realm="carrier", nonce="5bd4[call_number]", algorithm=MD5, qop="auth"'
    return recv(method, actions) + send("SIP/2.0 401 Unauthorized", *lines, asked)


def signed_bye(login: Login) -> str:
    """A BYE that must show who sends it; what goes on afterwards has got one that does."""
    return (
        challenge("BYE", _log("asks BYE"), inside=True)
        + recv("BYE", proof(login))
        + believed("signed")
        + log("unsigned BYE").replace("<nop>", '<nop next="end">')
        + label("signed")
        + log("got BYE")
    )


def proof(login: Login) -> str:
    """Looks at the credentials of a request."""
    return f'<verifyauth assign_to="valid" username="{login.username}" password="{login.password}"/>'


def believed(next: str) -> str:  # noqa: A002
    """Goes on elsewhere when the credentials were right."""
    return f'<nop next="{next}" test="valid"/>\n'


# -- the language of sipp ----------------------------------------------------------------------------------

LAST = ("[last_Via:]", "[last_From:]", "[last_To:]", "[last_CSeq:]")
MEDIA = (
    '<ereg regexp="m=audio ([0-9]+)" search_in="body" assign_to="line,port"/><log message="media [$port]"/>'
)
DIRECTION = (
    '<ereg regexp="a=(sendrecv|sendonly|recvonly|inactive)" search_in="body" assign_to="line,direction"/>'
    '<log message="direction [$direction]"/>'
)
NOTIFIED = '<ereg regexp="SIP/2.0 ([0-9]+)" search_in="body" assign_to="line,code"/><log message="got NOTIFY [$code]"/>'
INFORMED = (
    '<ereg regexp="Signal= *([0-9A-D*#])" search_in="body" assign_to="line,direction"/>'
    '<log message="got INFO [$direction]"/>'
)


def scenario(*parts: str) -> str:
    body = "".join(parts)
    kept = ",".join(
        name for name in KEPT if f"[${name}]" in body or f'{name}"' in body or f'"{name},' in body
    )
    used = f'<Reference variables="{kept}"/>\n' if kept else ""
    return f'<?xml version="1.0" encoding="us-ascii"?>\n<scenario name="call">\n{body}{used}</scenario>\n'


def send(
    start: str,
    *lines: str,
    body: str = "",
    again: bool = False,
    actions: str = "",
    next: str = "",  # noqa: A002
) -> str:
    """One message; `again` repeats it until something comes back, as UDP needs."""
    head = [
        start,
        *lines,
        "Call-ID: [call_id]",
        "Max-Forwards: 70",
        "Contact: <sip:carrier@[local_ip]:[local_port]>",
    ]
    if body and not any(line.startswith("Content-Type") for line in lines):
        head.append("Content-Type: application/sdp")
    text = "\n".join((*head, "Content-Length: [len]", "", body))
    more = (' retrans="500"' if again else "") + (f' next="{next}"' if next else "")
    inner = f"<action>{actions}</action>" if actions else ""
    return f"<send{more}><![CDATA[\n{text}\n]]>{inner}</send>\n"


def ok(*more: str, body: str = "", next: str = "") -> str:  # noqa: A002
    """200 to the request that came last."""
    return send("SIP/2.0 200 OK", *LAST, *more, body=body, next=next)


def recv(what: str, actions: str = "", *, optional: bool = False, next: str = "", auth: bool = False) -> str:  # noqa: A002
    kind = "response" if what.isdigit() else "request"
    more = (' optional="true"' if optional else "") + (f' next="{next}"' if next else "")
    more += ' auth="true"' if auth else ""
    inner = f"<action>{actions}</action>" if actions else ""
    return f'<recv {kind}="{what}"{more}>{inner}</recv>\n'


def label(name: str) -> str:
    return f'<label id="{name}"/>\n'


def log(text: str) -> str:
    return f"<nop><action>{_log(text)}</action></nop>\n"


def _log(text: str) -> str:
    return f'<log message="{text}"/>'


def _keep(name: str, pattern: str, header: str) -> str:
    return f'<ereg regexp="{pattern}" search_in="hdr" header="{header}" assign_to="{name}"/>'


def _via(branch: str) -> str:
    return f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-[pid]-[call_number]-{branch}"


def _timer(audio: Audio) -> tuple[str, ...]:
    return (f"Session-Expires: {audio.session}", "Require: timer") if audio.session else ()
