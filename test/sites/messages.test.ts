import { expect, test } from 'vitest';
import { parseReply, parseRequest } from '../../src/sites/messages.ts';

test.each([
  ['request', parseRequest],
  ['reply', parseReply],
])('why a %s is refused is one short line, whatever its keys are', (what, parse) => {
  const message = { kind: 'ready', nid: [0, 1], to: 'site2', ['\n'.repeat(5000)]: 1 };
  const refusal = (() => {
    try {
      return parse(message);
    } catch (error) {
      return error;
    }
  })();

  expect(refusal).toMatchObject({
    code: 'E_PROTOCOL',
    message: expect.stringMatching(`^${what} is not ours: .{20,200}$`),
  });
});

test('what sites say that they have let go can be added up and told', () => {
  const have = (letGo: number) => parseReply({ kind: 'have', newer: [], refused: [], letGo });
  expect(() => have(Number.MAX_SAFE_INTEGER)).toThrow(expect.objectContaining({ code: 'E_PROTOCOL' }));
  expect(have(2 ** 32)).toMatchObject({ letGo: 2 ** 32 });
  expect(parseRequest({ kind: 'set', changes: [], behind: 1000 * 2 ** 32 })).toMatchObject({ kind: 'set' });
});
