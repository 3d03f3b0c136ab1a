/** What a border does around its path, without one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, expect, test, vi } from 'vitest';
import { Border } from '../../src/border/border.ts';
import { DataPlane } from '../../src/border/data-plane.ts';
import { BEHIND_MS, noCounts } from '../../src/ilnp/keeping.ts';
import { nid, siteConfig } from '../support/sites.ts';

const folder = mkdtempSync(join(tmpdir(), 'ilnp-border-'));

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

test('the path looks at the time until it has let go: it may have begun to wait later than it was told', async () => {
  let letGo = (): void => {};
  vi.spyOn(DataPlane.prototype, 'keep').mockReturnValue(new Promise((done) => (letGo = () => done(noCounts()))));
  const wake = vi.spyOn(DataPlane.prototype, 'wake').mockReturnValue();
  const nobody = (): void => {};
  const border = new Border(siteConfig(1, 2, []), {
    runFolder: folder,
    log: pino({ level: 'silent' }),
    ...{ onFailure: nobody, onDeparted: nobody, onReach: nobody },
  });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });

  const released = border.keep(nid('0:0:0:a1'), { what: 'release', ms: 0, since: null, departs: false, behind: 3 });
  await vi.advanceTimersByTimeAsync(3 * BEHIND_MS);
  expect(wake).toHaveBeenCalledTimes(2);
  letGo();
  await released;
  await vi.advanceTimersByTimeAsync(1000 * BEHIND_MS);
  const calls = wake.mock.calls.length;
  await vi.advanceTimersByTimeAsync(1000 * BEHIND_MS);
  expect(wake).toHaveBeenCalledTimes(calls);
});
