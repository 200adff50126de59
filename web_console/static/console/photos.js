// A report's photo. It may follow its words, and until then says that it isn't here.

import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';

import { t } from '../lib/i18n.js';

/** How often a photo that isn't here yet is looked for. */
const AGAIN_MS = 5000;

/** @param {{id: string, n: number}} props */
export function Photo({ id, n }) {
  const [awaited, setAwaited] = useState(false);
  const url = `/api/photos/${encodeURIComponent(id)}`;
  useEffect(() => {
    if (!awaited) return undefined;
    const timer = setInterval(() => {
      const looked = new Image();
      looked.onload = () => setAwaited(false);
      looked.src = `${url}?size=small`;
    }, AGAIN_MS);
    return () => clearInterval(timer);
  }, [awaited, url]);
  if (awaited) return html`<span class="photo-awaited">${t('what.photo_awaited', { n })}</span>`;
  return html`<a target="_blank" rel="noopener" href=${url}><img loading="lazy" width="88" height="88"
    src=${`${url}?size=small`} alt=${t('what.photo', { n })} onError=${() => setAwaited(true)} /></a>`;
}
