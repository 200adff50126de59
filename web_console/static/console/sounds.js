// The sound of an alert, made without a file. Browsers allow sound only after a key or a click:
// until then, and where there is no sound at all, nothing is heard and nothing fails.

import { prefs } from '../lib/prefs.js';

const TONES_HZ = [880, 660];
const TONE_S = 0.18;
const LOUDNESS = 0.25;
const SOFTLY_S = 0.015;

/** @type {AudioContext | null} */
let audio = null;

/** Opens the sound at a person's key or click, as browsers want it. */
function open() {
  try {
    audio ??= new AudioContext();
    audio.resume().catch(() => {});
  } catch {
    // A browser without sound.
  }
}
for (const kind of ['pointerdown', 'keydown']) {
  document.addEventListener(kind, () => {
    if (audio?.state !== 'running') open();
  }, { capture: true });
}

/** Two tones, once; none where the person has muted them or has touched nothing yet. */
export function play() {
  const to = audio;
  if (prefs.get().muted || !to) return;
  if (to.state !== 'running') open();
  try {
    TONES_HZ.forEach((hz, n) => tone(to, hz, to.currentTime + n * TONE_S));
  } catch {
    // The device went away: the screen says the same.
  }
}

/**
 * @param {AudioContext} to
 * @param {number} hz
 * @param {number} at seconds of the context's clock
 */
function tone(to, hz, at) {
  const source = new OscillatorNode(to, { frequency: hz });
  // Swells and fades, for a tone that is cut clicks.
  const gain = new GainNode(to, { gain: 0 });
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(LOUDNESS, at + SOFTLY_S);
  gain.gain.setValueAtTime(LOUDNESS, at + TONE_S - SOFTLY_S);
  gain.gain.linearRampToValueAtTime(0, at + TONE_S);
  source.connect(gain).connect(to.destination);
  source.start(at);
  source.stop(at + TONE_S);
}
