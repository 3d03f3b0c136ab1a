import { expect, test } from 'vitest';
import { IlnpError } from '../../src/runtime/errors.ts';

test('a message cannot take over the terminal it is shown on', () => {
  const { message } = new IlnpError('E_PROTOCOL', 'got "\u001b[2J\u009b31m\r\u007f"\nand ä \u{1f600}');

  expect(message).toBe('got "\\u001b[2J\\u009b31m\\u000d\\u007f"\nand ä \u{1f600}');
});

test('a line of a message is no longer than somebody reads', () => {
  const { message } = new IlnpError('E_USAGE', `${'x'.repeat(1003)}\n${'y'.repeat(50_000)}\nz`);

  expect(message).toBe(`${'x'.repeat(1003)}\n${'y'.repeat(1000)}...\nz`);
});
