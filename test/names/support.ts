/** Servers of a zone in memory, and one on the loopback interface that does to a question whatever a case wants. */
import { createSocket } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import { afterEach } from 'vitest';
import { Frames, framed, type Server } from '../../src/names/exchange.ts';
import { put16, put32, u16 } from '../../src/wire/bytes.ts';
import {
  DNS_HEADER,
  messageOctets,
  NXDOMAIN,
  nameOctets,
  QR,
  RA,
  RR_CNAME,
  RR_SOA,
  readMessage,
  recordOctets,
} from '../../src/wire/dns-message.ts';
import { parseRdata, writeRdata } from '../../src/wire/dns-records.ts';

const TYPES: Readonly<Record<string, number>> = { AAAA: 28, NID: 104, L64: 106, LP: 107, CNAME: 5 };

/** A zone file's lines: name, TTL, type, RDATA. AAAA in 32 hexadecimal digits. */
export function zone(text: string, negativeTtl = 60): (query: Uint8Array) => Uint8Array {
  const records = text
    .trim()
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [name = '', ttl, type = '', ...rdata] = line.trim().split(/\s+/);
      return { name, type: TYPES[type]!, octets: octetsOf(name, Number(ttl), TYPES[type]!, rdata.join(' ')) };
    });
  return (query) => {
    const question = readMessage(query)!.question!;
    const answers: Uint8Array[] = [];
    let owner = question.name;
    for (let k = 0; k < 4; k++) {
      const alias = records.find((r) => r.name === owner && r.type === RR_CNAME);
      if (alias === undefined) break;
      answers.push(alias.octets);
      const read = readMessage(messageOctets(0, QR, [[], [alias.octets], [], []]))!.answers[0]!;
      owner = targetOf(alias.octets, read.length);
    }
    const found = records.filter((r) => r.name === owner && r.type === question.type).map(({ octets }) => octets);
    const exists = records.some((r) => r.name === owner);
    const soa = found.length > 0 ? [] : [soaOctets(negativeTtl)];
    const asked = query.slice(DNS_HEADER, question.end);
    return messageOctets(u16(query, 0), QR | RA | (exists ? 0 : NXDOMAIN), [[asked], [...answers, ...found], soa, []]);
  };
}

function octetsOf(name: string, ttl: number, type: number, rdata: string): Uint8Array {
  if (type === RR_CNAME) return recordOctets(name, { type, ttl }, nameOctets(rdata));
  const octets = type === 28 ? Uint8Array.from(Buffer.from(rdata, 'hex')) : writeRdata(parseRdata(type, rdata)!)!;
  return recordOctets(name, { type, ttl }, octets);
}

function targetOf(record: Uint8Array, length: number): string {
  let text = '';
  for (let o = record.length - length; record[o] !== 0; o += 1 + record[o]!)
    text += `${Buffer.from(record.subarray(o + 1, o + 1 + record[o]!)).toString()}.`;
  return text;
}

function soaOctets(minimum: number): Uint8Array {
  const rdata = new Uint8Array(22);
  put32(rdata, 18, minimum);
  return recordOctets('example.', { type: RR_SOA, ttl: 3600 }, rdata);
}

/** A query for a name, as a program sends it. */
export function query(name: string, type: number, { id = 7, flags = 0x0100 } = {}): Uint8Array {
  const owner = nameOctets(name);
  const question = new Uint8Array(owner.length + 4);
  question.set(owner);
  put16(question, owner.length, type);
  put16(question, owner.length + 2, 1);
  return messageOctets(id, flags, [[question], [], [], []]);
}

/** Addresses in the answers of a reply, as 32 hexadecimal digits, with their TTLs. */
export const addressesIn = (reply: Uint8Array): [string, number][] =>
  readMessage(reply)!
    .answers.filter(({ type }) => type === 28)
    .map(({ at, ttl }) => [Buffer.from(reply.subarray(at, at + 16)).toString('hex'), ttl]);

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** What a server sends back for a query: any number of messages, as they are. */
export type Behaviour = (query: Uint8Array, over: 'udp' | 'tcp') => readonly Uint8Array[];

/** A server on ::1, until the case ends. */
export async function serve(behaviour: Behaviour): Promise<Server> {
  const udp = createSocket('udp6');
  await new Promise<void>((done) => udp.bind(0, '::1', done));
  const { port } = udp.address();
  udp.on('message', (octets, from) => {
    for (const reply of behaviour(octets, 'udp')) udp.send(reply, from.port, from.address);
  });
  const sockets = new Set<Socket>();
  const tcp = createServer((socket) => {
    const frames = new Frames();
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (octets) => {
      for (const whole of frames.take(octets)) for (const reply of behaviour(whole, 'tcp')) socket.write(framed(reply));
    });
  });
  await new Promise<void>((done) => tcp.listen(port, '::1', done));
  open.push(() => {
    udp.close();
    for (const socket of sockets) socket.destroy();
    tcp.close();
  });
  return { host: '::1', port };
}
