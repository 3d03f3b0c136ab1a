/**
 * A guest that exists nowhere moves to and fro between sites that exist nowhere, when a border starts: what has never run is
 * compiled when it is needed first, and that would be while packets wait for the first move. Nothing is written, no other site
 * is told; the border's workers are asked to keep packets for a Node Identifier that nobody has. What workers do with packets
 * they rehearse themselves (sbr/rehearse.ts). Nothing depends on it.
 */
import { duplexPair } from 'node:stream';
import type { Logger } from 'pino';
import type { Border } from '../border/border.ts';
import { realtimeMicroseconds } from '../device/libc.ts';
import { Bindings } from '../ilnp/bindings.ts';
import type { ControlMethods } from '../runtime/control-socket.ts';
import type { Reply, Request } from '../sites/messages.ts';
import type { MoveReport } from '../sites/move-report.ts';
import { Moves } from '../sites/moves.ts';
import type { MovesClock } from '../sites/moves-world.ts';
import { AnsweringConnection, AskingConnection } from '../sites/peer-connection.ts';
import { newPeerCounters } from '../sites/peer-counters.ts';
import { PEER_TIMING } from '../sites/peer-timing.ts';
import { formatNid } from '../wire/text.ts';
import { moveMethods } from './move-methods.ts';

/** Nobody's: the kernel takes it for the routers of a link (RFC 4291 section 2.6.1). */
const NID = { hi: 0, lo: 0 };
const GUEST = { hi: 0xfd000000, lo: 0 };
/** Home, where it goes, and one that has no part in it. */
const SITES = ['home', 'away', 'third'];
const SEED = [1, 2] as const;
const HOLD_MS = 1000;
/** Twice in both directions as a hypervisor tells, and as `ilnp move` asks. Reason: from the third on, moves were as quick as later ones. */
const MOVES = 8;

type Reported = Omit<MoveReport, 'id'>;

/** Plays it; what the home of that guest reports. */
export async function rehearseMoves(
  border: Pick<Border, 'keep' | 'applyMoves' | 'config'>,
  log: Logger,
): Promise<Reported[]> {
  const reports: Reported[] = [];
  const clock = new Rehearsed();
  const silent = log.child({}, { level: 'silent' });
  const closes: (() => void)[] = [];
  const answers = new Map<string, Moves>();
  const sites = new Map<string, ControlMethods>();
  for (const site of SITES) {
    const peers = SITES.filter((one) => one !== site);
    const links = new Map(
      peers.map((peer) => [peer, connect(peer, (request) => answers.get(peer)!.handle(site, request))]),
    );
    for (const { close } of links.values()) closes.push(close);
    const bindings = new Bindings(1, SEED);
    bindings.put({ nid: NID, guest: GUEST, home: SITES[0]!, uplink: undefined, at: SITES[0]!, epoch: 0 });
    const moves = new Moves({
      ...{ site, bindings, clock, log: silent },
      apply: async (moved, onOrdered) => {
        await border.applyMoves([], onOrdered);
        for (const binding of moved) bindings.put(binding);
      },
      foresee: async () => {},
      record: { append: async () => {} },
      keep: (nid, order) => border.keep(nid, order),
      holdMs: () => HOLD_MS,
      reports: { add: (report) => reports.push(report) },
      send: (peer, request, timeoutMs) => links.get(peer)!.asking.request(request, timeoutMs),
      isConnected: () => true,
      policy: () => [],
      peers: () => peers,
      wall: realtimeMicroseconds,
      octets: () => 0,
    });
    answers.set(site, moves);
    const config = { ...border.config, site, policy: [] };
    sites.set(
      site,
      moveMethods(
        moves,
        { after: () => [], next: async () => {} },
        { bindings, config: () => config, onArrived: () => {}, log: silent },
      ),
    );
  }
  try {
    for (let k = 0; k < MOVES; k++) {
      const [from, to] = k % 2 === 0 ? [SITES[0]!, SITES[1]!] : [SITES[1]!, SITES[0]!];
      await (k % 4 < 2 ? told(sites, from, to) : asked(sites, to));
      clock.pass();
      while (reports.length <= k) await new Promise(setImmediate);
    }
    return reports;
  } finally {
    for (const moves of answers.values()) moves.close();
    for (const close of closes) close();
    await border.keep(NID, { what: 'end' });
  }
}

/** As a hypervisor tells. */
async function told(sites: ReadonlyMap<string, ControlMethods>, from: string, to: string): Promise<void> {
  const tell = (site: string, news: string) =>
    sites.get(site)!.guest!({ nid: formatNid(NID), news, at: realtimeMicroseconds(), now: realtimeMicroseconds() });
  await tell(to, 'incoming');
  await tell(from, 'migrating');
  await tell(from, 'stopped');
  await tell(to, 'arrived');
}

/** As `ilnp move` asks. */
async function asked(sites: ReadonlyMap<string, ControlMethods>, to: string): Promise<void> {
  const home = sites.get(SITES[0]!)!;
  const nid = formatNid(NID);
  await home.prepare!({ nid, to, by: '' });
  await home.hold!({ nid, by: '' });
  await home.move!({ nid, to, by: '' });
}

/** Both ends of a connection without a network between them. */
function connect(site: string, answer: (request: Request) => Promise<Reply>) {
  const [here, there] = duplexPair();
  const options = { site, timing: PEER_TIMING, counters: newPeerCounters(), onClose: () => {} };
  const asking = new AskingConnection({ ...options, stream: here }, () => {});
  const answering = new AnsweringConnection({ ...options, stream: there }, (_, request) => answer(request));
  return {
    asking,
    close: () => {
      asking.close('over');
      answering.close('over');
    },
  };
}

/** Time that passes when it is told to. */
class Rehearsed implements MovesClock {
  readonly #waiting = new Set<() => void>();

  now(): number {
    return performance.now() * 1000;
  }

  after(_: number, run: () => void): () => void {
    this.#waiting.add(run);
    return () => this.#waiting.delete(run);
  }

  pass(): void {
    for (const run of [...this.#waiting]) if (this.#waiting.delete(run)) run();
  }
}
