/** The TCP of simulated hosts takes no segment of another connection for one of its own, as real ones do not. */
import { describe, expect, test } from 'vitest';
import type { Packet } from '../../native-free/sim/packet.ts';
import { TcpConnection } from '../../native-free/sim/tcp.ts';
import { ACK, RST, readSegment, SYN, tcpPacket } from '../../native-free/sim/tcp-segment.ts';
import { octetsOf } from '../support/packets.ts';

const HERE = octetsOf('2001:db8:1::a1');
const THERE = octetsOf('2001:db8:2::b1');
const ISS = 0xfffffff0;
const PEER_ISS = 7000;

/** A connection and what it has sent. */
function connection() {
  const sent: Packet[] = [];
  const addresses = { src: HERE, dst: THERE };
  const send = (packet: Packet): void => void sent.push(packet);
  const tcp = new TcpConnection({ addresses, localPort: 1, remotePort: 2, mss: 1000, iss: ISS, send });
  /** Takes a segment whose places count from the first numbers of both. */
  const take = (flags: number, sequence: number, acknowledgement: number, octets = 0): void => {
    const fields = { sourcePort: 2, destinationPort: 1, window: 65_535, mss: 0, flags };
    const numbers = { sequence: PEER_ISS + sequence, acknowledgement: (ISS + acknowledgement) >>> 0 };
    const { octets: packet } = tcpPacket({ src: THERE, dst: HERE }, { ...fields, ...numbers }, octets);
    tcp.input(readSegment(packet)!, packet, 1);
  };
  const last = () => readSegment(sent.at(-1)!.octets)!;
  return { tcp, sent, take, last };
}

describe('in the hand-shake', () => {
  test('an acknowledgement of another SYN is answered by a reset, and changes nothing (RFC 9293 section 3.10.7.3)', () => {
    const { tcp, take, last } = connection();
    tcp.connect(0);
    take(SYN | ACK, 0, 99);
    expect(last()).toMatchObject({ flags: RST, sequence: (ISS + 99) >>> 0 });
    expect(tcp.isEstablished).toBe(false);
    take(SYN | ACK, 0, 1);
    expect(tcp.isEstablished).toBe(true);
  });

  test('also by who was called (section 3.10.7.4)', () => {
    const { tcp, take, last } = connection();
    take(SYN, 0, 0);
    expect(last().flags).toBe(SYN | ACK);
    take(ACK, 1, 2);
    expect(last()).toMatchObject({ flags: RST, sequence: (ISS + 2) >>> 0 });
    expect(tcp.isEstablished).toBe(false);
    take(ACK, 1, 1);
    expect(tcp.isEstablished).toBe(true);
  });
});

test.each([
  ['what was never sent', 2],
  ['far too little', -(1 << 21)],
])('data with an acknowledgement of %s are not taken (RFC 5961 section 5.2)', (_, acknowledgement) => {
  const { tcp, take } = connection();
  tcp.connect(0);
  take(SYN | ACK, 0, 1);
  take(ACK, 1, acknowledgement, 50);
  expect(tcp.received).toBe(0);
  take(ACK, 1, 1, 50);
  expect(tcp.received).toBe(50);
});
