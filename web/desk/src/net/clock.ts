/** The server's clock as this window knows it: every timer on the screen ticks from here. */
let offset = 0;
let bestTrip = Infinity;

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setTimeout> | undefined;
let second = 0;

/** Milliseconds since the epoch by the server's clock. */
export function serverNow(): number {
  return Date.now() + offset;
}

/** Takes in one reading: the server said `t`, and asking took `trip` ms; the shortest trip is trusted. */
export function align(t: number, trip: number, fresh = false): void {
  if (fresh) bestTrip = Infinity;
  if (trip > bestTrip * 1.5 + 5) return;
  bestTrip = Math.min(bestTrip, trip);
  offset = t + trip / 2 - Date.now();
}

function beat(): void {
  second = Math.floor(serverNow() / 1000);
  for (const listener of listeners) listener();
  schedule();
}

function schedule(): void {
  if (listeners.size === 0) return;
  timer = setTimeout(beat, 1000 - (serverNow() % 1000) + 2);
}

/** Calls back just after each full second of the server's clock; all listeners share one timer. */
export function onSecond(listener: () => void): () => void {
  listeners.add(listener);
  if (listeners.size === 1) {
    second = Math.floor(serverNow() / 1000);
    schedule();
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) clearTimeout(timer);
  };
}

/** The second that the clock last struck: stable between two beats, as React asks of a snapshot. */
export function struckSecond(): number {
  if (listeners.size === 0) second = Math.floor(serverNow() / 1000);
  return second;
}
