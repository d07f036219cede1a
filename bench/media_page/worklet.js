// A mouth that says bursts of 100 ms, and an ear that notes when one begins; both by this machine's clock (ms).
const QUIET_SECONDS = 0.2;

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

class Ear extends AudioWorkletProcessor {
  quiet = 0;

  process([[input]]) {
    for (let i = 0; input && i < input.length; i += 1) {
      if (Math.abs(input[i]) < 0.05) {
        this.quiet += 1;
        continue;
      }
      if (this.quiet > QUIET_SECONDS * sampleRate) this.port.postMessage(Date.now());
      this.quiet = 0;
    }
    return true;
  }
}

registerProcessor("mouth", Mouth);
registerProcessor("ear", Ear);
