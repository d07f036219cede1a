import type { Sound } from "../../store/settings.ts";

interface Note {
  /** Hertz. */
  pitch: number;
  /** Seconds from the start of the sound. */
  at: number;
  length: number;
  shape: OscillatorType;
}

const SOUNDS: Record<Exclude<Sound, "none">, Note[]> = {
  bell: [
    { pitch: 880, at: 0, length: 0.9, shape: "sine" },
    { pitch: 1760, at: 0, length: 0.5, shape: "sine" },
  ],
  two_notes: [
    { pitch: 660, at: 0, length: 0.18, shape: "triangle" },
    { pitch: 880, at: 0.2, length: 0.32, shape: "triangle" },
  ],
  knock: [
    { pitch: 190, at: 0, length: 0.09, shape: "square" },
    { pitch: 170, at: 0.16, length: 0.09, shape: "square" },
  ],
};

let context: AudioContext | null = null;

/** Plays a sound; `volume` 0 to 1. Silent until the page has been clicked once: browsers ask for that. */
export function play(sound: Sound, volume: number): void {
  if (sound === "none" || volume <= 0) return;
  context ??= new AudioContext();
  void context.resume();
  const start = context.currentTime + 0.01;
  for (const note of SOUNDS[sound]) {
    const tone = context.createOscillator();
    const gain = context.createGain();
    tone.type = note.shape;
    tone.frequency.value = note.pitch;
    gain.gain.setValueAtTime(0, start + note.at);
    gain.gain.linearRampToValueAtTime(Math.min(1, volume) * 0.4, start + note.at + 0.01);
    gain.gain.exponentialRampToValueAtTime(0.0001, start + note.at + note.length);
    tone.connect(gain).connect(context.destination);
    tone.start(start + note.at);
    tone.stop(start + note.at + note.length);
  }
}
