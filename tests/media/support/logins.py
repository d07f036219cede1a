"""Scenarios in which somebody must say who they are (digest): a registrar, and a caller that is not believed."""

from __future__ import annotations

from tests.media.support.scenarios import (
    TAG,
    Audio,
    Login,
    believed,
    challenge,
    label,
    log,
    ok,
    proof,
    recv,
    scenario,
    send,
)

GRANTED_SECONDS = 2


def registrar(login: Login) -> str:
    """Takes registrations for 2 s each. Logs `asks <seconds>`, then `registered` or `refused`."""
    expires = '<ereg regexp="Expires: *([0-9]+)" search_in="msg" assign_to="line,code"/>'
    return scenario(
        label("first"),
        challenge("REGISTER", f'{expires}<log message="asks [$code]"/>'),
        challenge("REGISTER", proof(login)).replace("<send>", believed("registered") + "<send>", 1),
        log("refused").replace("<nop>", '<nop next="first">'),
        label("registered"),
        log("registered"),
        ok(f"Expires: {GRANTED_SECONDS}", next="first"),
    )


def unbelieved(audio: Audio, login: Login) -> str:
    """Calls with credentials that are wrong, and gives up at the second challenge."""
    uri = "sip:+33140000099@[remote_ip]:[remote_port]"
    us = f"From: <sip:+33140000001@{audio.host}>{TAG}"

    def invite(branch: str, *more: str) -> str:
        via = f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-[pid]-{branch}"
        lines = (via, us, f"To: <{uri}>", "CSeq: [cseq] INVITE", *more)
        return send(f"INVITE {uri} SIP/2.0", *lines, body=audio.sdp(), again=True)

    ack = send(f"ACK {uri} SIP/2.0", "[last_Via:]", us, "[last_To:]", "CSeq: [cseq] ACK")
    return scenario(
        invite("first"),
        recv("100", optional=True),
        recv("401", auth=True),
        ack,
        log("asked"),
        invite("again", f"[authentication username={login.username} password={login.password}]"),
        recv("100", optional=True),
        recv("401"),
        ack,
        log("refused 401"),
    )
