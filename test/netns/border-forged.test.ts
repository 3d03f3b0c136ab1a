/**
 * Floods at borders, while sessions and moves go on: Locator Updates forged through one, strangers at the port of borders
 * and registry, registrations forged on an inside link. No binding changes, nothing is lost, memory stays.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { CN, global, guest, L1, L11, under } from './support/addresses.ts';
import { Capture } from './support/capture.ts';
import { FORGED, FORGED_NET, residentOctets, startForger, watchMemory } from './support/forger.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession, Probe } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';
import { ShimNode } from './support/shim-node.ts';
import { openStream } from './support/stream.ts';
import { until } from './support/wait.ts';

const SECONDS = Number(process.env.FORGED_SECONDS ?? 3);
const MIB = 2 ** 20;
/** Reason: what the engine compiles, and garbage before it is collected; what grows with what comes has no bound. */
const MOST_GROWTH = 48 * MIB;
const STRANGERS = fileURLToPath(new URL('./probes/strangers.mjs', import.meta.url));
const SPEAKER = '2001:db8:c::c9';

const lab = labForThisFile('--gateway-mac', '02:00:5e:00:00:01');

interface BindingShown {
  readonly nid: string;
  readonly at: string;
  readonly epoch: number;
}
const bindings = async (site: 1 | 2) =>
  (await lab.show<BindingShown[]>('bindings', site)).sort((a, b) => a.nid.localeCompare(b.nid));
const placeOf = async (nid: string, site: 1 | 2) => (await bindings(site)).find((one) => one.nid === nid)?.at;
const move = (to: string, ...args: string[]) =>
  lab.ilnp('move', '0:0:0:a1', '--to', to, '--socket', lab.socket(1), ...args);

/** Watches the memory of both borders; what it has grown by in the end. */
async function memory(): Promise<() => number[]> {
  const pids = [await lab.pid(1), await lab.pid(2)];
  const before = pids.map(residentOctets);
  const most = pids.map(watchMemory);
  return () => most.map((one, k) => one() - before[k]!);
}

const expectSteady = (grown: readonly number[]): void => {
  console.info({ grownMiB: grown.map((octets) => Math.round(octets / MIB)) });
  for (const one of grown) expect(one).toBeLessThan(MOST_GROWTH);
};

beforeAll(() => lab.exec('core', 'ip', '-6', 'route', 'add', 'blackhole', FORGED_NET));

describe('towards a guest that speaks ILNP', () => {
  const list = (operation: number) => `bytes.fromhex("010${operation}000020010db80bad000000010e10")`;
  const update = (src: string, dst: string, operation = 1) =>
    `IPv6(src="${src}", dst="${dst}")/ICMPv6Unknown(type=156, code=0, msgbody=${list(operation)})`;

  // shows: S18
  test('Locator Updates and nonces of nobody: its correspondent alone is told of another uplink', async () => {
    await lab.exec('vm-a1', 'ip', 'addr', 'del', `${guest('a1')}/128`, 'dev', 'eth0');
    await lab.exec('vm-a1', 'ip', 'addr', 'add', 'fd00:1::1a1/64', 'dev', 'eth0');
    const speaker = await ShimNode.start(lab, 'cn', 'c9');
    const end = await ShimNode.start(lab, 'vm-a1', 'a1', '0+0+0+c9  cn  2001-db8-c-0\n');
    const speaking = await openSession(lab, 'records', { listener: 'cn', connector: 'vm-a1', to: SPEAKER });
    const plain = await openSession(lab, 'records', { listener: 'cn', connector: 'vm-a1', to: CN });
    await Promise.all([speaking.connector.receives(100), plain.connector.receives(100)]);
    const [before, table] = [await lab.counters(1), await bindings(1)];
    const [isp1, isp2] = [under(L1, 'a1'), under(L11, 'a1')];
    const told = await Capture.start(
      lab,
      'core2',
      'any',
      `ip6[6] = 60 and ip6[48] = 156 and not dst host ${isp1} and not dst host ${isp2}`,
    );
    const grown = await memory();

    const forger = await startForger(lab, 'core', {
      rate: 5000,
      seconds: SECONDS,
      expressions: [
        `nonce:${update(SPEAKER, isp1)}`,
        `nonce:${update(SPEAKER, isp1, 2)}`,
        `nonce:${update(FORGED, isp1)}`,
        update(FORGED, isp1),
        `nonce:IPv6(src="${FORGED}", dst="${isp1}")/UDP(sport=1, dport=9)/b"is anybody there"`,
        `nonce:IPv6(src="${FORGED}", dst="${isp1}")/TCP(sport=1, dport=9, flags="S")`,
        `nonce:IPv6(src="${FORGED}", dst="${isp1}")/ICMPv6EchoRequest(data=b"is anybody there")`,
        `nonce:${update(isp1, SPEAKER)}`, // towards the correspondent, in the name of the guest
      ],
    });
    lab.editConfig(1, (text) => text.replace('preference: 20', 'preference: 5'));
    await lab.reload(1);
    const uplinkOf = async () => {
      const shown = await lab.show<{ correspondent: string; uplink: string; told: string }[]>('sessions', 1);
      return shown.map(({ correspondent, uplink, told }) => `${correspondent} ${uplink} ${told}`);
    };
    await until('the acknowledgement', async () => (await uplinkOf()).includes('0:0:0:c9 isp2 acknowledged'));
    const { sent } = await forger.result();
    expect(await uplinkOf()).toEqual(['0:0:0:c9 isp2 acknowledged']); // nobody else is known
    await Promise.all([speaking.connector.receives(100), plain.connector.receives(100)]);
    expectSteady(grown());
    const after = await lab.counters(1);
    lab.editConfig(1, (text) => text.replace('preference: 5', 'preference: 20'));
    await lab.reload(1);
    await until('the first uplink again', async () => (await uplinkOf()).includes('0:0:0:c9 isp1 acknowledged'));
    await told.stop();
    const to = await told.fields(`icmpv6.type == 156 && ipv6.opt.ilnp_nonce`, ['ipv6.src', 'ipv6.dst']);
    await told.remove();

    expectIntact(await speaking.end());
    expectIntact(await plain.end());
    for (const node of [end, speaker]) await node.stop();
    expect(after.drop_forged_update! - before.drop_forged_update!).toBeGreaterThan(sent / 5); // two of eight
    expect(new Set(to.map(([, dst]) => dst))).toEqual(new Set([SPEAKER]));
    expect(after.pairs_refused! - before.pairs_refused!).toBe(0);
    expect(await bindings(1)).toEqual(table);
    await lab.exec('vm-a1', 'ip', 'addr', 'flush', 'dev', 'eth0', 'scope', 'global');
    await lab.exec('vm-a1', 'ip', 'addr', 'add', `${guest('a1')}/128`, 'dev', 'eth0');
  });
});

describe('at the port of borders and of a registry that one of them keeps', () => {
  test('strangers, wrong keys and what was said before once more: moves lose nothing, bindings are as moved', async () => {
    for (const site of [2, 1] as const) await lab.stop(site);
    for (const site of [1, 2] as const)
      lab.editConfig(site, (text) => `${text}registry: { kind: embedded, name: site1 }\n`);
    await lab.exec('wan', 'ip', '-6', 'addr', 'add', 'fd00:12::66/64', 'dev', 'br0', 'nodad');
    const link = await Capture.start(lab, 'sbr1', 'link0', 'tcp dst port 6740 and dst host fd00:12::1');
    for (const site of [1, 2] as const) await lab.start(site);
    await lab.move('a1', 'site2');
    await lab.move('a1', 'host1');
    await link.stop();
    const said = await link.fields('tcp.len > 0', ['tcp.stream', 'tcp.payload']);
    await link.remove();
    const replay = `${lab.directory}/replay`;
    const first = said.filter(([stream]) => stream === said[0]![0]).map(([, payload]) => payload!);
    expect(first.join('')).toMatch(/^1603/); // a whole connection, from its first hand-shake record
    writeFileSync(replay, Buffer.from(first.join(''), 'hex'));
    const before = await bindings(1);
    const channel = async () => (await lab.show<{ control: Record<string, number> }>('counters', 1)).control;
    const connections = await channel();

    const stream = await openStream(lab, { from: 'cn', node: 'vm-a1', to: global('a1'), rate: 2000 });
    await stream.receiver.receives(1000);
    const grown = await memory();
    const options = ['--rate', '200', '--seconds', String(SECONDS), '--identity', 'ilnp1 ["site2","site1"]'];
    const at = ['--host', 'fd00:12::1', '--port', '6740', '--replay', replay];
    const words = ['netns', 'exec', lab.namespace('wan'), 'nice', '-n', '10', process.execPath, STRANGERS];
    const strangers = new Probe<{ opened: number; secured: number; left: number }>(
      'strangers',
      spawn('ip', [...words, ...options, ...at], { stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    await strangers.said('sending');
    const replug = (host: string) =>
      `LAB=${lab.namespace('').slice(0, -1)} scripts/lab -q move a1 ${host} --replug-only`;
    for (const [site, host] of [
      ['site2', 'host2'],
      ['site1', 'host1'],
    ] as const) {
      expect(await move(site, '--run', replug(host))).toMatchObject({ code: 0 });
      await stream.receiver.receives(1000);
    }
    const result = await strangers.result((SECONDS + 10) * 1000);
    await stream.receiver.receives(1000);
    expectSteady(grown());
    const streamed = await stream.end();
    console.info({ result, streamed });

    expect(streamed).toMatchObject({ lost: 0, doubled: 0, overtaken: 0 });
    expect(result).toMatchObject({ secured: 0 });
    const after = await channel();
    expect(after).toMatchObject({ accepted: connections.accepted, protocolErrors: 0 });
    for (const refused of ['refusedKey', 'refusedName', 'refusedTls'])
      expect(after[refused], refused).toBeGreaterThan(0);
    expect(result.opened).toBeGreaterThan(SECONDS * 100);
    const now = await bindings(1);
    const others = (list: readonly BindingShown[]) => list.filter(({ nid }) => nid !== '0:0:0:a1');
    expect(others(now)).toEqual(others(before));
    expect(now.find(({ nid }) => nid === '0:0:0:a1')).toMatchObject({ at: 'site1' });
    expect((await lab.log(1)).split('stranger refused').length).toBeLessThan(SECONDS + 10);
  });
});

describe('on an inside link', () => {
  const frame = (packet: string) => `Ether(src="02:0b:ad:00:00:00", dst="33:33:00:00:00:01")/${packet}`;
  const advertisement = (address: string) =>
    frame(`IPv6(src="${address}", dst="ff02::1", hlim=255)/ICMPv6ND_NA(tgt="${address}", R=0, S=0, O=1)`);
  const solicitation = (address: string) =>
    frame(`IPv6(src="${address}", dst="ff02::1", hlim=255)/ICMPv6ND_NS(tgt="fe80::1")`);
  const reverse = `Ether(src="02:0b:ad:00:00:00", dst="ff:ff:ff:ff:ff:ff", type=0x8035)/ARP(op=3, hwsrc="02:0b:ad:00:00:00", hwdst="02:0b:ad:00:00:00")`;

  test('registrations of nobody: no guest moves, little is asked; one that has really come is taken', async () => {
    for (const site of [1, 2] as const) {
      lab.editConfig(site, (text) => text.replace('interface: lan0,', 'interface: lan0, arrivals: true,'));
      await lab.reload(site);
      await until('the border to have taken it over', async () =>
        (await lab.log(site)).includes('took the configuration'),
      );
    }
    const before = await bindings(1);
    const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
    const here = await openSession(lab, 'records', { listener: 'vm-a2', connector: 'cn', to: global('a2') });
    await Promise.all([session.connector.receives(100), here.connector.receives(100)]);
    const [mac = ''] =
      /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/.exec(await lab.exec('vm-a1', 'cat', '/sys/class/net/eth0/address')) ?? [];
    const asked = await Capture.start(lab, 'sbr1', 'lan0', `icmp6 and ip6[40] = 135`);
    const grown = await memory();
    const forger = await startForger(lab, 'vm-b2', {
      rate: 5000,
      seconds: SECONDS,
      expressions: [
        advertisement(guest('a1')).replace('02:0b:ad:00:00:00', mac), // as if it were the guest itself
        solicitation(guest('a1')).replace('02:0b:ad:00:00:00', mac),
        solicitation('fd00:1::ffff:0:ffff'),
        advertisement('fd00:1::ffff:0:ffff'),
        reverse,
      ],
    });
    const { sent, seconds } = await forger.result();
    await Promise.all([session.connector.receives(100), here.connector.receives(100)]);
    expect(await bindings(1)).toEqual(before);
    expect(await bindings(2)).toEqual(before);
    expectSteady(grown());
    await asked.stop();
    const about = await asked.fields(`icmpv6.nd.ns.target_address == ${guest('a1')}`, ['frame.number']);
    await asked.remove();
    expect(about.length).toBeGreaterThan(0);
    expect(about.length).toBeLessThanOrEqual(3 * (seconds + 2)); // once a second, and what the kernel asks by itself

    const more = await startForger(lab, 'vm-b2', {
      rate: 1000,
      seconds: 20,
      expressions: [solicitation(guest('a1')), reverse],
    });
    await lab.replug('a2', 'host2');
    await until('the guest that has come', async () => {
      await lab.exec('vm-a2', 'ip', '-6', 'neigh', 'flush', 'dev', 'eth0'); // it asks for its gateway, as a hypervisor would say that it is there
      return (await placeOf('0:0:0:a2', 1)) === 'site2';
    });
    await here.connector.receives(100);
    more.stop();
    console.info({ sent, about: about.length });
    expectIntact(await session.end());
    expectIntact(await here.end());
    expect(await placeOf('0:0:0:a1', 2)).toBe('site1');
    for (const site of [1, 2] as const)
      expect((await lab.log(site)).split('sees this guest too').length).toBeLessThan(5 * (SECONDS + 30));
  });
});
