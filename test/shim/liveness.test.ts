/** The way to a correspondent is watched: doubt, questions on every pair, failover, return without flapping, loss. */
import { beforeEach, describe, expect, test } from 'vitest';
import { echoReply } from '../../native-free/sim/icmp.ts';
import { type Correspondent, l64Of, locatorOf } from '../../src/ilnp/correspondent.ts';
import { COUNT_FAILOVERS, COUNT_QUESTIONS, COUNT_RETURNS } from '../../src/shim/verdict.ts';
import { native32 } from '../../src/wire/bytes.ts';
import { formatL64 } from '../../src/wire/text.ts';
import { addressesOf, full, udp6 } from '../support/packets.ts';
import { type End, endSystem, know, l64, move, STABLE_A, STABLE_B } from './support.ts';

const SECOND = 1e6;
const STEP = 0.1 * SECOND;
const [A1, A2] = ['2001:db8:1::', '2001:db8:2::'];
const [B1, B2] = ['2001:db8:b::', '2001:db8:c::'];
const KNOWN = '2001:db8:b::b1';

/** Two ends, time, and ways between their Locators that can be cut, each direction for itself. */
class World {
  now = SECOND;
  readonly a = endSystem(STABLE_A, [A1, A2]);
  readonly b = endSystem(STABLE_B, [B1]);
  readonly peer = know(this.a, KNOWN);
  /** Locators whose packets, from or to them, go nowhere. */
  readonly dead = new Set<string>();
  /** The program at b answers. */
  answers = true;
  /** Datagrams that got to the program at b, and back to that at a. */
  there = 0;
  back = 0;
  /** What a has sent besides, on the pairs it was sent on. */
  questions: string[] = [];
  /** Pairs that data was sent on. */
  pair = '';

  /** The program at a speaks for so long, every 100 ms. */
  speak(seconds: number, speaking = true): void {
    const until = this.now + seconds * SECOND;
    for (; this.now < until; this.now += STEP) {
      if (speaking) this.#send(this.a, udp6({ src: STABLE_A, dst: KNOWN }));
      for (const end of [this.a, this.b]) {
        const due = end.shim.next(this.now);
        if (due !== null && due <= this.now + STEP) end.shim.run(this.now + STEP);
        this.#deliverBesides(end);
      }
    }
  }

  #send(from: End, packet: Uint8Array): void {
    const out = from.pass(packet, this.now);
    if (typeof out === 'string') throw new Error(out);
    if (from === this.a) this.pair = pairOf(out);
    this.#carry(from, out);
  }

  #carry(from: End, packet: Uint8Array): void {
    const { src, dst } = addressesOf(packet);
    if ([...this.dead].some((l) => upper(l) === upper(src) || upper(l) === upper(dst))) return;
    const to = from === this.a ? this.b : this.a;
    const got = to.pass(packet, this.now);
    this.#deliverBesides(to);
    if (typeof got === 'string') return;
    if (to === this.a) this.back++;
    else {
      this.there++;
      const seen = addressesOf(got);
      if (this.answers) this.#send(this.b, udp6({ src: STABLE_B, dst: seen.src }));
    }
  }

  /** Whoever is asked for proof has a kernel that answers echo requests. */
  #prove(end: End, question: Uint8Array): void {
    const other = end === this.a ? this.b : this.a;
    const got = other.pass(question, this.now);
    if (typeof got === 'string') return;
    const addresses = { src: got.slice(24, 40), dst: got.slice(8, 24) };
    const reply = other.pass(echoReply(addresses, got).octets, this.now);
    if (typeof reply !== 'string') end.pass(reply, this.now);
  }

  #deliverBesides(end: End): void {
    for (const question of end.asked.splice(0)) this.#prove(end, question);
    for (const packet of end.sent.splice(0)) {
      if (end === this.a) this.questions.push(pairOf(packet));
      this.#carry(end, packet);
    }
  }
}

const upper = (address: string): string => full(address).slice(0, 19);
const pairOf = (packet: Uint8Array): string => {
  const { src, dst } = addressesOf(packet);
  return `${upper(src)} ${upper(dst)}`;
};
const pair = (own: string, remote: string): string => `${upper(own)} ${upper(remote)}`;
const counted = (end: End, what: number): number => end.shim.node.counters[what]!;
const atB = (world: World): Correspondent => [...world.b.shim.node.ilcc.all()][0]!;

let world: World;
beforeEach(() => {
  world = new World();
  world.speak(1);
});

test('while packets come back nothing is asked, and when nobody speaks nothing is looked at', () => {
  world.speak(60);
  expect(world.back).toBe(world.there);
  expect(counted(world.a, COUNT_QUESTIONS)).toBe(0);
  expect(world.a.shim.next(world.now)).not.toBeNull();
  world.speak(3, false);
  expect(world.a.shim.next(world.now)).toBeNull();
});

test('who only listens is asked now and then, and that is an answer', () => {
  world.answers = false;
  world.speak(20);
  expect(counted(world.a, COUNT_QUESTIONS)).toBeGreaterThan(10);
  expect(counted(world.a, COUNT_QUESTIONS)).toBeLessThanOrEqual(40); // two a second
  expect(counted(world.a, COUNT_FAILOVERS)).toBe(0);
  expect(world.a.lost).toEqual([]);
});

describe('a provider that goes silent', () => {
  // shows: H33
  test('is left within two seconds: the other Locator is used, and the correspondent told so', () => {
    world.dead.add(A1);
    world.speak(2);
    expect(world.pair).toBe(pair(A2, B1));
    const before = world.back;
    world.speak(1);

    expect(world.back - before).toBe(10); // every one
    const known = atB(world).locators.map((l) => `${formatL64(l64Of(l))} ${l.preference}`);
    expect(known).toEqual(['2001:db8:2::/64 11', '2001:db8:1::/64 30010']);
    expect(counted(world.a, COUNT_FAILOVERS)).toBe(1);
    expect(world.a.lost).toEqual([]);
  });

  test('is used again when it has answered for five seconds, and the correspondent told so', () => {
    world.dead.add(A1);
    world.speak(3);
    world.dead.clear();
    world.speak(4);
    expect(world.pair).toBe(pair(A2, B1));
    world.speak(4);

    expect(world.pair).toBe(pair(A1, B1));
    expect(atB(world).locators.map((l) => l.preference)).toEqual([10, 11]);
    expect(counted(world.a, COUNT_RETURNS)).toBe(1);
    expect(world.back).toBeGreaterThan(world.there - 5);
  });

  test('that comes and goes is followed less and less', () => {
    for (let k = 0; k < 20; k++) {
      world.dead.add(A1);
      world.speak(8);
      world.dead.clear();
      world.speak(8);
    }
    // 320 seconds; followed at once it would be twenty times
    expect(counted(world.a, COUNT_FAILOVERS)).toBeLessThanOrEqual(5);
    expect(counted(world.a, COUNT_FAILOVERS)).toBeGreaterThan(1);
    world.speak(100);
    expect(world.pair).toBe(pair(A1, B1));
  });

  test('what begins then begins with the Locator that works', () => {
    world.dead.add(A1);
    world.speak(3);
    const plain = world.a.pass(udp6({ src: STABLE_A, dst: '2001:db8:f::1' }), world.now) as Uint8Array;
    expect(addressesOf(plain).src).toBe(full('2001:db8:2::a1'));
    const c = know(world.a, '2001:db8:d::d1');
    const ilnp = world.a.pass(udp6({ src: STABLE_A, dst: '2001:db8:d::d1' }), world.now) as Uint8Array;
    expect(addressesOf(ilnp).src).toBe(full('2001:db8:2::a1'));
    expect(c.own).not.toBeNull();
  });
});

describe('a correspondent with two Locators', () => {
  test('is spoken to at the other one when the first goes silent', () => {
    move(world.b, [B1, B2], world.now);
    world.speak(1);
    expect(world.pair).toBe(pair(A1, B1));
    world.dead.add(B1);
    world.speak(2);

    expect(world.pair).toBe(pair(A1, B2));
    expect(world.a.lost).toEqual([]);
  });

  // shows: H23
  test('that does not answer at first is tried at the other one before it counts as one without ILNP', () => {
    const c = know(world.a, '2001:db8:d::d1');
    const locators = ['2001:db8:d::', '2001:db8:e::'].map((text, k) => ({
      ...locatorOf(l64(text)),
      preference: 10 + k,
      expires: Number.POSITIVE_INFINITY,
    }));
    c.replace(locators, world.now);
    move(world.a, [A1], world.now);
    const tried = [0, 1, 2, 3].map((second) => {
      const out = world.a.pass(udp6({ src: STABLE_A, dst: '2001:db8:d::d1' }), world.now + second * SECOND);
      return `${addressesOf(out as Uint8Array).dst} ${(out as Uint8Array)[6] === 60}`;
    });
    const [first, second] = [full('2001:db8:d::d1'), full('2001:db8:e::d1')];
    expect(tried).toEqual([`${first} true`, `${second} true`, `${second} true`, `${first} false`]);
    expect(world.a.lost).toEqual([c]);
  });
});

test('who answers on no pair is lost, told again with growing pauses, and found where it then says it is', () => {
  world.dead.add(B1);
  world.speak(3);
  expect(world.a.lost.length).toBeGreaterThanOrEqual(1);
  world.speak(60);
  expect(world.a.lost.length).toBeLessThanOrEqual(8);
  expect(new Set(world.questions.slice(-2))).toEqual(new Set([pair(A1, B1), pair(A2, B1)]));

  // names know better
  move(world.b, [B2], world.now);
  world.peer.replace([{ ...locatorOf(l64(B2)), preference: 10, expires: Number.POSITIVE_INFINITY }], world.now);
  world.a.shim.liveness.relocated(world.peer, world.now);
  const before = world.back;
  world.speak(2);
  expect(world.back - before).toBe(20);
});

test('programs that are silent make nobody ask, and after half a minute nobody is lost', () => {
  world.dead.add(B1);
  world.speak(0.1);
  world.speak(120, false);
  expect(world.a.shim.next(world.now)).toBeNull();
  expect(world.questions.length).toBeLessThan(20);
});

test('strangers cannot make us ask: only who has proved to hear us is looked at', () => {
  const { a, b, now } = new World();
  b.pass(a.pass(udp6({ src: STABLE_A, dst: KNOWN }), now) as Uint8Array, now);
  const [c] = b.shim.node.ilcc.all();
  b.shim.node.spoke(c!, now);
  expect(c!.proved).toBe(false);
  expect(b.shim.next(now)).toBeNull();
});

test('who comes to another Locator of ours is answered from there, from the first packet on', () => {
  const a = endSystem(STABLE_A, [A1, A2]);
  const b = endSystem(STABLE_B, [B1]);
  know(b, '2001:db8:2::a1');
  const first = b.pass(udp6({ src: STABLE_B, dst: '2001:db8:2::a1' }), SECOND) as Uint8Array;
  const got = a.pass(first, SECOND) as Uint8Array;
  const answer = a.pass(udp6({ src: STABLE_A, dst: addressesOf(got).src }), SECOND) as Uint8Array;

  expect(addressesOf(answer).src).toBe(full('2001:db8:2::a1'));
  move(a, [A1], 2 * SECOND); // that one is gone
  const later = a.pass(udp6({ src: STABLE_A, dst: addressesOf(got).src }), 2 * SECOND) as Uint8Array;
  expect(addressesOf(later).src).toBe(full('2001:db8:1::a1'));
});

test('spread: correspondents share Locators of one class, each keeps its own; a deprecated one has no share', () => {
  const end = endSystem(STABLE_A, [A1, A2], undefined, { spread: true });
  const sources = (): string[] =>
    Array.from({ length: 32 }, (_, k) => {
      const address = `2001:db8:d::${(k + 1).toString(16)}`;
      if (end.shim.node.ilcc.find(0, native32(k + 1) | 0) === null) know(end, address);
      return upper(addressesOf(end.pass(udp6({ src: STABLE_A, dst: address })) as Uint8Array).src);
    });
  const first = sources();
  expect(new Set(first)).toEqual(new Set([upper(A1), upper(A2)]));
  expect(first.filter((s) => s === upper(A1)).length).toBeGreaterThan(8);
  expect(sources()).toEqual(first);

  const [one, two] = [A1, A2].map((text) => ({ ...locatorOf(l64(text)), lifetime: 1800 }));
  end.shim.setLocators(
    [
      { ...one!, preference: 10 },
      { ...two!, preference: 10_010 },
    ],
    2,
  );
  expect(new Set(sources())).toEqual(new Set([upper(A1)]));
});

test('an acknowledgement that comes while this node has no Locator is no news', () => {
  const { a, b } = world;
  move(b, [B2], world.now);
  world.speak(1);
  move(a, [A2], world.now);
  const update = a.sent.shift()!;
  b.pass(update, world.now);
  const acknowledgement = b.sent.pop()!;
  move(a, [], world.now);
  expect(a.pass(acknowledgement, world.now)).toBe('taken');
});
