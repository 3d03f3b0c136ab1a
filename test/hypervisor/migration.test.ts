/** The order of events that QEMU 7.2 and its relatives send, and what is made of it. */
import { describe, expect, test } from 'vitest';
import { type GuestNews, Migration } from '../../src/hypervisor/migration.ts';

/** Events as a short text: `STOP@5 active completed RESUME`; small letters are states of MIGRATION. */
function newsOf(events: string, runState = 'running', migration = 'none', ends = false): string {
  const news: string[] = [];
  const tell = (n: GuestNews): void => void news.push('at' in n ? `${n.kind}@${n.at}` : n.kind);
  const machine = new Migration(runState, migration, tell);
  for (const word of events.split(' ').filter(Boolean)) {
    const [name, at = '0'] = word.split('@') as [string, string?];
    const isStatus = name === name.toLowerCase();
    machine.event({ name: isStatus ? 'MIGRATION' : name, data: isStatus ? { status: name } : {}, at: Number(at) });
  }
  if (ends) machine.end();
  return news.join(' ');
}

describe('the source', () => {
  test.each([
    ['a migration', 'setup active STOP@5 pre-switchover device completed', 'migrating stopped@5'],
    ['without a pause before the switch', 'setup active STOP@5 completed', 'migrating stopped@5'],
    ['post-copy', 'setup active STOP@5 postcopy-active completed', 'migrating stopped@5'],
    ['cancelled before it stops', 'setup active cancelling cancelled', 'migrating stayed'],
    [
      'cancelled when stopped',
      'setup active STOP@5 device cancelling RESUME@6 cancelled',
      'migrating stopped@5 stayed',
    ],
    ['failed, then resumed', 'setup active STOP@5 failed RESUME@6', 'migrating stopped@5 stayed'],
    ['failed at once', 'setup failed', 'migrating stayed'],
    [
      'failed, then a second one',
      'setup active failed setup active STOP@7 completed',
      'migrating stayed migrating stopped@7',
    ],
    ['stopped and resumed by its operator', 'STOP@1 RESUME@2', ''],
    ['anything else', 'NIC_RX_FILTER_CHANGED BALLOON_CHANGE', ''],
  ])('%s', (_, events, news) => {
    expect(newsOf(events)).toBe(news);
  });

  test('ends after it gave the guest away: nothing is lost', () => {
    expect(newsOf('setup active STOP@5 completed', 'running', 'none', true)).toBe('migrating stopped@5');
  });

  test('ends in the middle: the guest is gone', () => {
    expect(newsOf('setup active STOP@5', 'running', 'none', true)).toBe('migrating stopped@5 lost');
    expect(newsOf('', 'running', 'none', true)).toBe('');
  });

  test('met in the middle of a migration', () => {
    expect(newsOf('STOP@5', 'running', 'active')).toBe('migrating stopped@5');
    expect(newsOf('completed', 'finish-migrate', 'pre-switchover')).toMatch(/^migrating stopped@\d{16}$/);
    expect(newsOf('', 'postmigrate', 'completed')).toBe('');
  });
});

describe('the destination', () => {
  test.each([
    ['a migration', 'setup active RESUME@9 completed', 'incoming arrived@9'],
    ['a second pass', 'setup active active RESUME@9', 'incoming arrived@9'],
    ['met when it runs already', 'RESUME@9 completed', 'arrived@9'],
    ['left paused, resumed later', 'setup active completed RESUME@9', 'incoming arrived@9'],
    ['failed', 'setup active failed', 'incoming'],
    [
      'later gives the guest away itself',
      'RESUME@9 completed setup active STOP@20 completed',
      'arrived@9 migrating stopped@20',
    ],
  ])('%s', (_, events, news) => {
    expect(newsOf(events, 'inmigrate')).toBe(news);
  });

  test('is told once only', () => {
    expect(newsOf('RESUME@9 STOP@10 RESUME@11', 'inmigrate')).toBe('arrived@9');
  });
});
