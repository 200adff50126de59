// Setting or changing one's own password; who has one must say it. Every page with an account menu
// uses it. The server ends the account's other sessions.

import { html } from 'htm/preact';
import { useState } from 'preact/hooks';

import { ApiError, post } from './http.js';
import { t } from './i18n.js';

const LEAST = 10;

/** @param {{me: import('../types.js').Session}} props */
export function PasswordForm({ me }) {
  const [current, setCurrent] = useState('');
  const [password, setPassword] = useState('');
  const [said, setSaid] = useState(/** @type {{good: boolean, text: string} | null} */ (null));
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    try {
      await post('/api/session/password', me.has_password ? { password, current } : { password });
      me.has_password = true;
      setCurrent('');
      setPassword('');
      setSaid({ good: true, text: t('password.done') });
    } catch (error) {
      const fields = error instanceof ApiError ? error.errors.map((e) => e.message).join(' · ') : '';
      setSaid({ good: false, text: fields || (error instanceof Error ? error.message : String(error)) });
    }
    setBusy(false);
  };
  return html`<div class="password">
    ${me.has_password && html`<label class="field"><span>${t('password.current')}</span>
      <input type="password" autocomplete="current-password" value=${current}
        onInput=${(/** @type {any} */ e) => setCurrent(e.currentTarget.value)} /></label>`}
    <label class="field"><span>${t('password.new', { n: LEAST })}</span>
      <input type="password" autocomplete="new-password" minlength=${LEAST} value=${password}
        onInput=${(/** @type {any} */ e) => setPassword(e.currentTarget.value)} /></label>
    ${said && html`<p class="notice ${said.good ? 'good' : 'bad'}" role="status">${said.text}</p>`}
    <button type="button" class="button primary" disabled=${busy || password.length < LEAST
      || (me.has_password && !current)} onClick=${send}>${t('password.action')}</button>
  </div>`;
}
