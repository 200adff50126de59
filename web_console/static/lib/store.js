// A value that changes and those who want to know. For state shared by several components and by
// the map, which is not a component. Not for a field's half-typed text: that is useState's.

import { useEffect, useReducer, useRef } from 'preact/hooks';

/**
 * @template T
 * @typedef {{get: () => T, set: (next: T) => void, update: (change: (now: T) => T) => void,
 *   subscribe: (listener: () => void) => () => void}} Store
 */

/**
 * @template T
 * @param {T} initial
 * @returns {Store<T>}
 */
export function createStore(initial) {
  let value = initial;
  /** @type {Set<() => void>} */
  const listeners = new Set();
  /** @param {T} next */
  const set = (next) => {
    if (Object.is(next, value)) return;
    value = next;
    for (const listener of [...listeners]) listener();
  };
  return {
    get: () => value,
    set,
    update: (change) => set(change(value)),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/**
 * Read a part of a store in a component; draws again only when that part is another one.
 * @template T, R
 * @param {Store<T>} store
 * @param {(value: T) => R} select
 * @returns {R}
 */
export function useStore(store, select) {
  const [, redraw] = useReducer((/** @type {number} */ n) => n + 1, 0);
  const selected = select(store.get());
  const seen = useRef(selected);
  const selecting = useRef(select);
  seen.current = selected;
  selecting.current = select;
  useEffect(() => {
    const check = () => {
      if (!Object.is(selecting.current(store.get()), seen.current)) redraw(0);
    };
    check();
    return store.subscribe(check);
  }, [store]);
  return selected;
}
