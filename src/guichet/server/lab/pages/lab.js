// Two people in this page, phones at a carrier that sipp plays, and the matrix of one room.
import { WORDS } from "/words.js";

const byId = (id) => document.getElementById(id);
const KEYS = "123456789*0#";
const MUSIC = { tone: "523/300,659/300,784/300,0/300" };
const PEOPLE = ["anne", "ben"];
const NAMES = { anne: "Anne", ben: "Ben", music: "" };
const TONES = { anne: 400, ben: 650 };

let language = navigator.language.startsWith("fr") ? "fr" : "en";
let endpoints = []; // as the media server tells them
let hears = {}; // hearer -> Set of sources
let last = ""; // the phone that keys go to
const connected = {}; // person -> { id, pc, audio, ... }
const meters = new Map();
const seen = []; // phones in the order in which they came: that is what they are called here

const words = (key, values = {}) =>
  Object.entries(values).reduce((text, [name, value]) => text.replace(`{${name}}`, value), WORDS[language][key] ?? key);

async function ask(path, body, method = "POST") {
  const headers = { "X-Guichet": "1" };
  const answer = await fetch(path, body === undefined ? {} : { method, headers, body: JSON.stringify(body) });
  const said = await answer.json();
  byId("problem").textContent = answer.ok ? "" : said.remedy;
  if (!answer.ok) throw new Error(said.remedy);
  return said;
}

// -- what there is ------------------------------------------------------------------------------------------

const personOf = (id) => PEOPLE.find((person) => connected[person]?.id === id);
const phones = () => endpoints.filter((endpoint) => endpoint.kind === "phone");
const nameOf = (id) => {
  if (id.startsWith("web-") && !personOf(id)) return NAMES[id.split("-")[1]];
  if (id === "music") return words("music");
  const person = personOf(id);
  if (person) return NAMES[person];
  if (!seen.includes(id)) seen.push(id);
  return words("phone", { n: seen.indexOf(id) + 1 });
};
const talkers = () =>
  endpoints.filter((e) => personOf(e.id) || ["answered", "held", "early"].includes(e.state)).map((e) => e.id);

async function refresh() {
  const { state, carrier } = await ask("/api/state");
  endpoints = state.endpoints.filter((endpoint) => endpoint.kind === "phone" || personOf(endpoint.id));
  byId("carrier").hidden = carrier;
  byId("call-in").disabled = byId("dial").querySelector("button").disabled = !carrier;
  const present = talkers();
  for (const id of Object.keys(hears)) if (!present.includes(id)) delete hears[id];
  for (const sources of Object.values(hears))
    for (const source of [...sources]) if (source !== "music" && !present.includes(source)) sources.delete(source);
  if (!phones().some((phone) => phone.id === last)) last = phones().at(-1)?.id ?? "";
  draw();
}

async function put() {
  const present = talkers();
  const matrix = Object.fromEntries(present.map((id) => [id, [...(hears[id] ?? [])]]));
  const [a, b] = PEOPLE.map((person) => connected[person]?.id);
  const video = a && b ? ["camera", "screen"].flatMap((kind) => [{ from: a, kind, to: b }, { from: b, kind, to: a }]) : [];
  await ask("/api/room", { endpoints: present, hears: matrix, sources: { music: MUSIC }, video }, "PUT");
  draw();
}

const PRESETS = {
  talk: (all) => Object.fromEntries(all.map((id) => [id, all.filter((other) => other !== id)])),
  hold: ([first]) => ({ [first]: ["music"] }),
  listen: ([a, b, c]) => ({ [a]: [b], [b]: [a], ...(c && { [c]: [a, b] }) }),
  whisper: ([a, b, c]) => ({ [a]: [b], [b]: c ? [a, c] : [a], ...(c && { [c]: [a, b] }) }),
  silence: () => ({}),
};

function preset(name) {
  const all = [...phones().map((phone) => phone.id).filter((id) => talkers().includes(id)), ...talkers().filter(personOf)];
  const matrix = all.length ? PRESETS[name](all) : {};
  hears = Object.fromEntries(Object.entries(matrix).map(([id, sources]) => [id, new Set(sources.filter(Boolean))]));
  return put();
}

// -- browsers -----------------------------------------------------------------------------------------------

const contexts = {};
function context(person) {
  contexts[person] ??= new AudioContext();
  contexts[person].resume();
  return contexts[person];
}

function toneTrack(person) {
  const audio = context(person);
  const tone = new OscillatorNode(audio, { frequency: TONES[person] });
  const quiet = new GainNode(audio, { gain: 0.2 });
  const out = audio.createMediaStreamDestination();
  tone.connect(quiet).connect(out);
  tone.start();
  return out.stream.getAudioTracks()[0];
}

const silence = (person) => context(person).createMediaStreamDestination().stream.getAudioTracks()[0];

async function connect(person) {
  const id = `web-${person}-${Math.random().toString(36).slice(2, 8)}`;
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const audio = pc.addTransceiver(silence(person), { direction: "sendrecv" });
  const camera = pc.addTransceiver("video", { direction: "sendrecv" });
  const screen = pc.addTransceiver("video", { direction: "sendrecv" });
  pc.createDataChannel("marks");
  connected[person] = { id, pc, audio, camera, screen };
  pc.onconnectionstatechange = () => {
    if (pc.connectionState === "failed") note(words("no_way", { who: NAMES[person] }));
    if (["failed", "closed", "disconnected"].includes(pc.connectionState) && connected[person]?.pc === pc) leave(person);
  };
  await pc.setLocalDescription();
  try {
    const { sdp } = await ask(`/api/endpoints/${id}/offer`, { sdp: pc.localDescription.sdp });
    await pc.setRemoteDescription({ type: "answer", sdp });
  } catch {
    delete connected[person];
    pc.close();
    return drawPeople();
  }
  const card = byId(person);
  card.querySelector("audio").srcObject = new MediaStream([audio.receiver.track]);
  const [cameraView, screenView] = card.querySelectorAll("video");
  cameraView.srcObject = new MediaStream([camera.receiver.track]);
  screenView.srcObject = new MediaStream([screen.receiver.track]);
  drawPeople();
}

function leave(person) {
  connected[person]?.pc.close();
  delete connected[person];
  drawPeople();
  refresh();
}

async function speak(person, how) {
  const mine = connected[person];
  const track =
    how === "tone" ? toneTrack(person)
    : how === "microphone" ? (await navigator.mediaDevices.getUserMedia({ audio: true })).getAudioTracks()[0]
    : silence(person);
  await mine.audio.sender.replaceTrack(track);
  mine.how = how;
  drawPeople();
}

async function show(person, kind) {
  const mine = connected[person];
  const sender = mine[kind].sender;
  if (sender.track) {
    sender.track.stop();
    await sender.replaceTrack(null);
  } else {
    const media = navigator.mediaDevices;
    const stream = await (kind === "camera" ? media.getUserMedia({ video: true }) : media.getDisplayMedia({ video: true }));
    await sender.replaceTrack(stream.getVideoTracks()[0]);
  }
  drawPeople();
}

// -- drawing ------------------------------------------------------------------------------------------------

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const button = (text, act, properties = {}) =>
  element("button", { type: "button", textContent: text, onclick: () => act().catch?.(() => {}), ...properties });

function meter(id) {
  const bar = element("meter", { min: -60, max: 0, value: -60 });
  bar.setAttribute("aria-label", words("level", { who: nameOf(id) }));
  meters.set(id, bar);
  return bar;
}

function drawPeople() {
  for (const person of PEOPLE) {
    const row = byId(person).querySelector(".row");
    const mine = connected[person];
    row.replaceChildren();
    if (!mine) {
      row.append(button(words("connect"), () => connect(person)));
      continue;
    }
    for (const how of ["tone", "microphone", "closed"])
      row.append(button(words(how), () => speak(person, how), { ariaPressed: String((mine.how ?? "closed") === how) }));
    for (const kind of ["camera", "screen"])
      row.append(button(words(kind), () => show(person, kind), { ariaPressed: String(Boolean(mine[kind].sender.track)) }));
    row.append(button(words("leave"), async () => leave(person), { className: "quiet" }), meter(mine.id));
  }
}

function drawPhones() {
  const list = phones().map((phone) => {
    const act = (what) => () => ask(`/api/endpoints/${phone.id}/${what}`, {});
    const row = element("div", { className: "row" });
    if (phone.incoming && phone.state === "offered") row.append(button(words("answer"), act("answer")), button(words("refuse"), act("reject"), { className: "quiet" }));
    else row.append(button(words("hang_up"), act("hangup")));
    row.append(meter(phone.id));
    const number = element("span", { className: "number", textContent: (phone.incoming ? phone.from : phone.to) || "" });
    return element("li", {}, element("strong", { textContent: nameOf(phone.id) }), ` ${words(phone.state)} `, number, row);
  });
  byId("phones").replaceChildren(...(list.length ? list : [element("li", { className: "dim", textContent: words("none") })]));
}

function drawMatrix() {
  const all = talkers();
  const table = byId("matrix");
  if (!all.length) {
    table.replaceChildren(element("caption", { className: "dim", textContent: words("nobody") }));
    return;
  }
  const sources = [...all, "music"];
  const heading = (text) => element("th", { scope: "col", textContent: text });
  const head = element("tr", {}, element("td"), ...sources.map((source) => heading(nameOf(source))));
  const rows = all.map((hearer) => {
    const cells = sources.map((source) => {
      if (source === hearer) return element("td", { className: "self" });
      const on = hears[hearer]?.has(source) ?? false;
      const cell = button(on ? "●" : "", async () => {
        hears[hearer] ??= new Set();
        on ? hears[hearer].delete(source) : hears[hearer].add(source);
        await put();
      }, { className: "cell", ariaPressed: String(on) });
      cell.setAttribute("aria-label", words("on", { hearer: nameOf(hearer), source: nameOf(source) }));
      return element("td", {}, cell);
    });
    return element("tr", {}, element("th", { scope: "row", textContent: `${nameOf(hearer)} ${words("hears")}` }), ...cells);
  });
  const focused = document.activeElement?.getAttribute("aria-label");
  table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
  if (focused) table.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
}

function draw() {
  meters.clear();
  drawPeople();
  drawPhones();
  drawMatrix();
}

function drawWords() {
  document.documentElement.lang = language;
  document.title = `Guichet · ${words("title")}`;
  for (const node of document.querySelectorAll("[data-words]")) node.textContent = words(node.dataset.words);
  byId("language").textContent = words("other");
  byId("language").lang = language === "fr" ? "en" : "fr";
  byId("presets").replaceChildren(...Object.keys(PRESETS).map((name) => button(words(name), () => preset(name))));
  draw();
}

function tell(event) {
  if (!WORDS[language][event.kind]) return;
  const about = event.endpoint ? `${nameOf(event.endpoint)} ` : "";
  const detail = [event.digit && "•", event.cause, event.code || "", event.codec, event.track].filter(Boolean).join(" ");
  note(`${about}${words(event.kind)}${detail ? ` (${detail})` : ""}`);
}

function note(text) {
  byId("events").prepend(element("li", { textContent: text }));
  while (byId("events").children.length > 100) byId("events").lastChild.remove();
}

// -- news ---------------------------------------------------------------------------------------------------

function listen() {
  const socket = new WebSocket(`ws://${location.host}/api/events`);
  socket.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    if (event.kind === "levels") {
      for (const { endpoint, db } of event.levels) if (meters.has(endpoint)) meters.get(endpoint).value = Math.max(-60, db);
      return;
    }
    byId("line").textContent = words(event.kind === "away" ? "away" : "there");
    if (event.kind === "away") return;
    if (event.kind !== "state") tell(event);
    refresh().catch(() => {});
  };
  socket.onclose = () => {
    byId("line").textContent = words("away");
    setTimeout(listen, 500);
  };
}

// -- the page -----------------------------------------------------------------------------------------------

byId("people").append(
  ...PEOPLE.map((person) =>
    element("article", { id: person }, element("h3", { textContent: NAMES[person] }), element("div", { className: "row" }),
      element("audio", { autoplay: true }), element("div", { className: "views" },
        element("video", { autoplay: true, muted: true, playsInline: true }),
        element("video", { autoplay: true, muted: true, playsInline: true }))),
  ),
);
byId("pad").append(
  ...[...KEYS].map((key) => button(key, async () => {
    if (last) await ask(`/api/endpoints/${last}/digits`, { digits: key });
    else byId("number").value += key;
  })),
);
byId("dial").onsubmit = (event) => {
  event.preventDefault();
  ask("/api/dial", { number: byId("number").value.replace(/\s/g, "") }).then(refresh, () => {});
};
byId("call-in").onclick = () => ask("/api/call-in", {}).catch(() => {});
byId("language").onclick = () => {
  language = language === "fr" ? "en" : "fr";
  drawWords();
};
drawWords();
listen();
