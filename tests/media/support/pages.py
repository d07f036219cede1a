"""People with a browser: what their page does (docs/guides/media-browser.md), and what it sees and hears.

chromium = browser.running(*pages.FLAGS)
ines = await Person.joins(chromium, server, "web-ines", 650)
await ines.hears({400}, among={400, 650})
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from tests.e2e.browser import Browser, Page
from tests.media.support.server import MediaServer
from tests.support.waiting import wait_until

FLAGS = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
OFFER = """async (hertz) => {
  window.pc?.close();
  document.body.innerHTML = `<audio autoplay></audio>
    <video id="camera" autoplay muted style="width:320px;height:180px"></video>
    <video id="screen" autoplay muted style="width:640px;height:360px"></video>
    <button>Share</button><div id="mark" style="position:fixed;width:1px;height:1px"></div>`;
  window.firsts = {};
  window.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  window.audio = pc.addTransceiver("audio", { direction: "sendrecv" });
  window.video = {};
  for (const kind of ["camera", "screen"]) {
    video[kind] = pc.addTransceiver("video", { direction: "sendrecv" });
    const view = document.getElementById(kind);
    view.srcObject = new MediaStream([video[kind].receiver.track]);
    view.requestVideoFrameCallback(() => { firsts[kind] = Date.now(); });
  }
  window.marks = pc.createDataChannel("marks");
  const mark = document.getElementById("mark");
  marks.onmessage = ({ data }) => {
    const [x, y] = JSON.parse(data);
    mark.style.left = `${x * innerWidth}px`;
    mark.style.top = `${y * innerHeight}px`;
    mark.textContent = data;
  };
  document.getElementById("screen").onclick = (event) => {
    const box = event.target.getBoundingClientRect();
    marks.send(JSON.stringify([(event.x - box.x) / box.width, (event.y - box.y) / box.height]));
  };
  document.querySelector("button").onclick = async () => {
    window.started = Date.now();
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: true });
    await video.screen.sender.replaceTrack(stream.getVideoTracks()[0]);
  };
  window.context ??= new AudioContext();
  const said = context.createMediaStreamDestination();
  const loud = new GainNode(context, { gain: 0.25 });
  const tone = new OscillatorNode(context, { frequency: hertz });
  tone.connect(loud).connect(said);
  tone.start();
  window.microphone = said.stream.getAudioTracks()[0];
  await audio.sender.replaceTrack(microphone);
  const heard = new MediaStream([audio.receiver.track]);
  document.querySelector("audio").srcObject = heard;
  window.analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(heard).connect(analyser);
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}"""
ANSWER = '(sdp) => pc.setRemoteDescription({ type: "answer", sdp })'
LEVELS = """(tones) => {
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  return tones.map((hertz) => bins[Math.round((hertz * analyser.fftSize) / context.sampleRate)]);
}"""
HEARD_DB = -45.0
"""By the browser's analyser, in which a tone of ours is about -20 and silence below -70."""
CAMERA = """async () => {
  window.started = Date.now();
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } });
  await video.camera.sender.replaceTrack(stream.getVideoTracks()[0]);
}"""
SIZES = '() => ["camera", "screen"].map((kind) => document.getElementById(kind).videoWidth)'
MUTE = "(on) => audio.sender.replaceTrack(on ? null : microphone)"
STEADY_READINGS = 4


class Person:
    """Somebody at a page that is connected; says a tone."""

    def __init__(self, page: Page, server: MediaServer, endpoint: str, hertz: int) -> None:
        self.page, self.endpoint, self.hertz = page, endpoint, hertz
        self._server = server

    @classmethod
    async def joins(cls, browser: Browser, server: MediaServer, endpoint: str, hertz: int) -> Person:
        """Opens a page (of the server itself, which is a secure context) and connects it."""
        page = browser.visit(f"http://127.0.0.1:{server.port}", endpoint)
        await asyncio.to_thread(page.open, "/healthz")
        person = cls(page, server, endpoint, hertz)
        await person.offer(endpoint)
        await server.events.wait_for("connected", endpoint=endpoint)
        return person

    async def offer(self, endpoint: str) -> None:
        """A new connection, on an id of its own."""
        self.endpoint = endpoint
        sdp = await self.does(OFFER, self.hertz)
        answer = await self._server.control.act(endpoint, "offer", status=200, sdp=sdp)
        await self.does(ANSWER, answer["sdp"])

    async def does(self, source: str, arg: Any = None) -> Any:
        """Runs a function in the page; others go on meanwhile."""
        return await asyncio.to_thread(self.page.evaluate, source, arg)

    async def hears(self, expected: Iterable[int], among: Iterable[int], within: float = 5.0) -> None:
        """Waits until it hears exactly these of those tones, a few readings in a row."""
        wanted, tried = set(expected), sorted(among)
        steady = 0

        async def so() -> bool:
            nonlocal steady
            levels = await self.does(LEVELS, tried)
            now = {hertz for hertz, db in zip(tried, levels, strict=True) if db is not None and db > HEARD_DB}
            steady = steady + 1 if now == wanted else 0
            return steady >= STEADY_READINGS

        await wait_until(so, f"{self.endpoint} hears {sorted(wanted)}", within)

    async def sees(self, kind: str, within: float = 5.0) -> float:
        """Waits until the camera or the screen is shown; when that was, in ms since 1970."""
        first = await wait_until(
            lambda: self.does("(kind) => firsts[kind] ?? 0", kind), f"{self.endpoint} sees a {kind}", within
        )
        return float(first)
