// The live channel: connects, says hello with the last seq, hands frames to the reducer, notices
// silence and heals by itself with growing, jittered pauses. What a frame means is live.js's.

import { empty, reduce } from '../live.js';

const SILENCE_MS = 7000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15000;

/**
 * @typedef {object} Hooks
 * @property {(state: import('../types.js').LiveState) => void} onState
 * @property {(link: import('../types.js').Link) => void} onLink
 * @property {(refused: import('../types.js').Refused) => void} [onRefused]
 * @property {(log: import('../types.js').LogEntry[]) => void} [onLog]
 * @property {() => void} [onSignedOut]
 */

/**
 * @param {string} url
 * @param {string} jurisdiction
 * @param {Hooks} hooks
 * @returns {{close: () => void, retry: () => void}}
 */
export function openChannel(url, jurisdiction, hooks) {
  let state = empty(jurisdiction);
  /** @type {WebSocket | null} */
  let socket = null;
  let failures = 0;
  let open = false;
  let closed = false;
  let timer = 0;
  let watch = 0;
  let lastFrameAt = 0;
  let triedAt = 0;

  const connect = () => {
    clearTimeout(timer);
    if (closed) return;
    const opening = new WebSocket(url);
    socket = opening;
    triedAt = Date.now();
    opening.onopen = () => hello(opening);
    opening.onmessage = (message) => {
      if (socket === opening) take(opening, message.data);
    };
    opening.onclose = (event) => {
      if (socket === opening) lost(event.code);
    };
  };

  /** @param {WebSocket} on */
  const hello = (on) => {
    on.send(JSON.stringify({
      type: 'hello', jurisdiction, seq: state.ready ? state.seq : null,
    }));
  };

  /**
   * @param {WebSocket} on
   * @param {string} raw
   */
  const take = (on, raw) => {
    /** @type {import('../types.js').Frame} */
    const frame = JSON.parse(raw);
    lastFrameAt = Date.now();
    if (frame.type === 'error') return;
    if (!open) {
      open = true;
      failures = 0;
      hooks.onLink({ status: 'open', since: lastFrameAt, nextTryAt: null });
    }
    if (frame.type === 'refused') {
      hooks.onRefused?.(frame);
      return;
    }
    const before = state;
    const result = reduce(state, frame, lastFrameAt);
    state = result.state;
    if (result.resume) {
      state = { ...state, behind: 0 };
      hello(on);
      return;
    }
    hooks.onState(state);
    if (frame.type === 'delta' && frame.log?.length && state.seq !== before.seq) {
      hooks.onLog?.(frame.log);
    }
  };

  /** @param {number} code */
  const lost = (code) => {
    socket = null;
    open = false;
    if (closed) return;
    if (code === 4401) {
      hooks.onSignedOut?.();
      return;
    }
    if (code === 4403) {
      hooks.onLink({ status: 'denied', since: Date.now(), nextTryAt: null });
      return;
    }
    failures += 1;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
    const wait = pause * (0.75 + Math.random() / 2);
    hooks.onLink({ status: 'lost', since: lastFrameAt || triedAt, nextTryAt: Date.now() + wait });
    clearTimeout(timer);
    timer = window.setTimeout(connect, wait);
  };

  const drop = () => {
    const old = socket;
    if (!old) return;
    lost(1006);
    old.close();
  };

  watch = window.setInterval(() => {
    if (socket && Date.now() - Math.max(lastFrameAt, triedAt) > SILENCE_MS) drop();
  }, 1000);
  const retry = () => {
    if (socket || closed) return;
    failures = 0;
    connect();
  };
  window.addEventListener('online', retry);
  window.addEventListener('offline', drop);
  hooks.onLink({ status: 'connecting', since: Date.now(), nextTryAt: null });
  connect();
  return {
    retry,
    close() {
      closed = true;
      clearTimeout(timer);
      clearInterval(watch);
      window.removeEventListener('online', retry);
      window.removeEventListener('offline', drop);
      socket?.close();
    },
  };
}
