/** What a case says about a whole session in one line. */
import { expect } from 'vitest';
import type { BulkResult, RecordsResult, UdpResult } from './probe.ts';

interface Both<Result> {
  readonly listener: Result;
  readonly connector: Result;
}

/** No reset, and every record arrived once, in order and unchanged, in both directions. */
export function expectIntact({ listener, connector }: Both<RecordsResult>): void {
  expect(connector).toMatchObject({ reset: null, corrupt: 0, received: listener.sent });
  expect(listener).toMatchObject({ reset: null, corrupt: 0, received: connector.sent });
}

/** No reset, and what arrived is octet for octet what was sent. */
export function expectSameOctets({ listener, connector }: Both<BulkResult>): void {
  expect(connector.reset).toBeNull();
  expect(listener.reset).toBeNull();
  expect(connector.received).toEqual(listener.sent);
  expect(listener.received).toEqual(connector.sent);
}

/** Nothing lost, doubled or overtaken in either direction. */
export function expectNoLoss({ listener, connector }: Both<UdpResult>): void {
  const perfect = { error: null, lost: 0, doubled: 0, overtaken: 0 };
  expect(connector).toMatchObject(perfect);
  expect(listener).toMatchObject(perfect);
}

/** Reason: packets that were under way through the old site may arrive after the first ones through the new. */
const OVERTAKEN_AT_MOST = 20;

/** As many lost as fit into `gapMs` of a stream of one per millisecond; hardly any overtaken, none doubled. */
export function expectLossBelow({ listener, connector }: Both<UdpResult>, gapMs: number): void {
  for (const end of [listener, connector]) {
    expect(end).toMatchObject({ error: null, doubled: 0 });
    expect(end.lost).toBeLessThan(gapMs);
    expect(end.longestGap.ms).toBeLessThan(gapMs);
    expect(end.overtaken).toBeLessThanOrEqual(OVERTAKEN_AT_MOST);
  }
}
