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
