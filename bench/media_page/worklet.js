// A mouth that says bursts of 100 ms, and tells when one begins (ms of this machine's clock).

class Mouth extends AudioWorkletProcessor {
  at = 0;
  next = 0.5;

  process(_, [[out]]) {
    if (currentTime >= this.next + 0.1) {
      this.next = currentTime + 0.5 + 0.3 * Math.random();
      this.at = 0;
    } else if (currentTime >= this.next) {
      if (this.at === 0) this.port.postMessage(Date.now());
      for (let i = 0; i < out.length; i += 1, this.at += 1) out[i] = 0.3 * Math.sin((2 * Math.PI * 1000 * this.at) / sampleRate);
    }
    return true;
  }
}

registerProcessor("mouth", Mouth);
