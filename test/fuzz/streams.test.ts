/** What takes its octets from a stream or a file, whole: a connection between borders, the control socket, the record of moves. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../native-free/random.ts';
import { ControlSocket } from '../../src/runtime/control-socket.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import { MoveRecord } from '../../src/sites/move-record.ts';
import { AnsweringConnection, AskingConnection } from '../../src/sites/peer-connection.ts';
import { newPeerCounters } from '../../src/sites/peer-counters.ts';
import type { PeerStreamOptions } from '../../src/sites/peer-stream.ts';
import { PEER_TIMING } from '../../src/sites/peer-timing.ts';
import { mutated } from './octet-mutator.ts';
import { PARSERS } from './parsers.ts';

const folderOf = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'ilnp-fuzz-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
};

/** Octets like those the parser of this name reads, spoilt. */
function spoiltLike(name: string): fc.Arbitrary<Uint8Array> {
  const parser = PARSERS.find((each) => each.name === name)!;
  const words = (parser.words ?? []).map((word) => new TextEncoder().encode(word));
  return fc.nat().map((seed) => mutated(new SeededRandom(seed), parser.samples(), words));
}

/** The octets come in pieces, then the other side closes; resolves with the reason why the connection was closed. */
function connected(octets: Uint8Array, open: (options: PeerStreamOptions) => void): Promise<string> {
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const closed = new Promise<string>((onClose) => {
    open({ site: 'site2', stream, timing: PEER_TIMING, counters: newPeerCounters(), onClose });
  });
  for (let at = 0; at < octets.length; at += 50) stream.push(octets.subarray(at, at + 50));
  stream.push(null);
  return closed;
}

const closings = new Set<string>();
const expectClosed = (reason: string): void => {
  expect(reason).not.toMatch(/\p{Cc}/u);
  expect(reason.length).toBeLessThan(500);
  closings.add(reason === 'closed by the other side' ? 'other side' : 'ours');
};

test('a connection of another border is closed with a word, whatever comes', async () => {
  await fc.assert(
    fc.asyncProperty(spoiltLike('peer'), async (octets) => {
      let asked = 0;
      const reason = await connected(octets, (options) => {
        new AnsweringConnection(options, async (_site, request) => {
          asked++;
          expect(['move', 'ready', 'foresee', 'set', 'report']).toContain(request.kind);
          return { kind: 'ready' };
        });
      });

      expectClosed(reason);
      expect(asked).toBeLessThanOrEqual(octets.length / 4);
    }),
    { numRuns: 500 },
  );
  expect([...closings].sort()).toEqual(['other side', 'ours']);
});

test('a request to another border has an answer or an error, whatever comes', async () => {
  await fc.assert(
    fc.asyncProperty(spoiltLike('peer'), async (octets) => {
      let outcome: Promise<unknown> = Promise.resolve();
      const reason = await connected(octets, (options) => {
        const connection = new AskingConnection(options, () => {});
        outcome = connection.request({ kind: 'ready', nid: [0, 1], to: 'site2' }).catch((error: unknown) => error);
      });

      expectClosed(reason);
      const answer = await outcome;
      if (answer instanceof Error) expect(answer).toBeInstanceOf(IlnpError);
      else expect(answer).toHaveProperty('kind');
    }),
    { numRuns: 500 },
  );
});

test('every line to the control socket is answered by one line, whatever it is, and the next client is served', async () => {
  const path = join(folderOf(), 's.sock');
  const socket = await ControlSocket.open(path, { counters: () => ({ n: 1 }), move: (params) => params });
  onTestFinished(() => socket.close());
  const say = (octets: Uint8Array): Promise<string> =>
    new Promise((resolve, reject) => {
      let heard = '';
      const client = connect(path, () => client.end(octets));
      client.setEncoding('utf8');
      client.on('data', (text) => {
        heard += text;
      });
      client.on('error', reject);
      client.on('end', () => resolve(heard));
    });

  await fc.assert(
    fc.asyncProperty(spoiltLike('control'), async (octets) => {
      const heard = await say(octets);

      const asked = new TextDecoder().decode(octets).split('\n').slice(0, -1);
      const answers = heard.split('\n').slice(0, -1);
      expect(answers).toHaveLength(asked.filter((line) => line.trim() !== '').length);
      for (const answer of answers)
        expect(Object.keys(JSON.parse(answer))).toEqual(['id', expect.stringMatching(/^(result|error)$/)]);
    }),
    { numRuns: 200 },
  );
  expect(await say(new TextEncoder().encode('{"id":1,"method":"counters"}\n'))).toBe('{"id":1,"result":{"n":1}}\n');
});

test('a record of moves is read or refused by name and line, whatever is in it, and once read it stays readable', async () => {
  const folder = folderOf();
  const path = join(folder, 'site1.moves.jsonl');
  let read = 0;
  await fc.assert(
    fc.asyncProperty(spoiltLike('record'), async (octets) => {
      writeFileSync(path, octets);
      const open = () => MoveRecord.open(folder, 'site1', () => {});
      const opened = await open().catch((error: unknown) => error);
      if (opened instanceof Error) {
        expect(opened).toMatchObject({ code: 'E_STATE', message: expect.stringContaining(`${path}:`) });
        return;
      }
      const { record, loaded } = opened as Awaited<ReturnType<typeof open>>;
      await record.close();
      const again = await open();
      await again.record.close();
      expect(again.loaded).toEqual(loaded);
      read++;
    }),
    { numRuns: 150 },
  );
  expect(read).toBeGreaterThan(5);
});
