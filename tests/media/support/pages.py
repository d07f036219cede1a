"""People with a browser: what their page does (docs/guides/media-browser.md), and what it sees and hears.

chromium = browser.running(*pages.FLAGS)
ines = await Person.joins(chromium, server, "web-ines", 650)
await ines.hears({400}, among={400, 650})
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import numpy as np

from tests.e2e.browser import Browser, Page
from tests.media.support.server import MediaServer
from tests.media.support.tones import Samples
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
  window.tone = new OscillatorNode(context, { frequency: hertz });
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
ANSWER = """async (sdp) => {
  await pc.setRemoteDescription({ type: "answer", sdp });
  window.negotiations = 0;
  pc.onnegotiationneeded = () => { negotiations += 1; };
}"""
NEGOTIATIONS = "() => negotiations"
"""How often the connection wanted another offer since it was answered."""
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
JOINS_SECONDS = 15.0
SAY = "(hertz) => { tone.frequency.value = hertz; }"
LISTEN = """async () => {
  const ear = `registerProcessor("ear", class extends AudioWorkletProcessor {
    kept = [];
    process([[samples]]) {
      for (const each of samples ?? []) this.kept.push(Math.round(each * 32767));
      if (this.kept.length >= 1600) this.port.postMessage(this.kept.splice(0));
      return true;
    }
  });`;
  window.hall = new AudioContext({ sampleRate: 16000 });
  await hall.audioWorklet.addModule(`data:text/javascript,${encodeURIComponent(ear)}`);
  const node = new AudioWorkletNode(hall, "ear", { channelCount: 1, channelCountMode: "explicit" });
  hall.createMediaStreamSource(new MediaStream([audio.receiver.track])).connect(node).connect(hall.destination);
  window.sound = [];
  node.port.onmessage = ({ data }) => {
    sound.push(...data);
    window.more?.();
  };
}"""
HEARD = """async () => {
  while (sound.length < 3200) await new Promise((more) => { window.more = more; });
  return sound.splice(0);
}"""
"""Waits for 0.2 s of sound."""


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
        await server.events.wait_for("connected", endpoint=endpoint, within=JOINS_SECONDS)
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

    async def says(self, hertz: int) -> None:
        """Goes on with another tone."""
        await self.does(SAY, hertz)

    async def listens(self) -> None:
        """Keeps from now on what comes out of its loudspeaker; see `heard`."""
        await self.does(LISTEN)

    async def heard(self) -> Samples:
        """What came out since it was asked last, without a gap: 16 kHz, at least 0.2 s."""
        return np.array(await self.does(HEARD), np.int16)

    async def sees(self, kind: str, within: float = 5.0) -> float:
        """Waits until the camera or the screen is shown; when that was, in ms since 1970."""
        first = await wait_until(
            lambda: self.does("(kind) => firsts[kind] ?? 0", kind), f"{self.endpoint} sees a {kind}", within
        )
        return float(first)
