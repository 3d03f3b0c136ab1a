#!/usr/bin/python3
"""Makes in.pcap of the golden cases with scapy, and lets scapy and tshark judge what the border made of them.

    captures.py make [CASE...]      writes <case>/in.pcap; the same octets every time
    captures.py witness [CASE...]   recomputes every transport checksum of out.pcap and compares; asks tshark as well

Independent of our own code on purpose: nobody witnesses himself.
"""
import os
import struct
import subprocess
import sys

from scapy.all import (  # noqa: F401
    HBHOptUnknown, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig, ICMPv6TimeExceeded,
    ICMPv6Unknown, IP, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, PadN, Raw, TCP, UDP, RouterAlert,
    fragment6, in6_chksum, raw)

HERE = os.path.dirname(os.path.abspath(__file__))
CN = '2001:db8:c::c0'   # a correspondent somewhere
ROUTER = '2001:db8:aa::1'  # a router between
DATA = bytes(range(24))
START = 1700000000


def tcp(src, dst, flags='PA', sport=50000, dport=443, hlim=64, data=DATA, between=None):
    head = IPv6(src=src, dst=dst, hlim=hlim)
    if between is not None:
        head = head / between
    return head / TCP(sport=sport, dport=dport, flags=flags, seq=1000, ack=0 if flags == 'S' else 2000, window=4096) / (
        b'' if flags == 'S' else data)


def udp(src, dst, sport=40000, dport=40001, data=DATA, between=None):
    head = IPv6(src=src, dst=dst)
    if between is not None:
        head = head / between
    return head / UDP(sport=sport, dport=dport) / data


def ping(src, dst, seq=1, reply=False):
    return IPv6(src=src, dst=dst) / (ICMPv6EchoReply if reply else ICMPv6EchoRequest)(id=7, seq=seq, data=DATA)


def nonce(octets):
    return IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x8B, optdata=octets)])


def about(src, dst, error, quoted):
    """An ICMPv6 error about `quoted`, as its sender sent it, the hop limit one less."""
    packet = bytearray(raw(quoted))
    packet[7] -= 1
    return IPv6(src=src, dst=dst) / error / Raw(bytes(packet)[:1232])


def zeroed(packet):
    """The transport checksum over Node Identifiers only, Locators as zeros (RFC 6741 section 4.2)."""
    octets = bytearray(raw(packet))
    at = len(octets) - len(raw(packet[TCP] if TCP in packet else packet[UDP]))
    field = at + (16 if TCP in packet else 6)
    octets[field:field + 2] = b'\0\0'
    segment = bytes(octets[at:])
    pseudo = bytes(8) + bytes(octets[16:24]) + bytes(8) + bytes(octets[32:40]) + struct.pack(
        '!II', len(segment), 6 if TCP in packet else 17)
    octets[field:field + 2] = struct.pack('!H', ones(pseudo + segment) ^ 0xffff)
    return bytes(octets)


def ones(octets):
    octets += b'\0' * (len(octets) % 2)
    total = sum(struct.unpack('!%dH' % (len(octets) // 2), octets))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def locator_update(src, dst, operation):
    body = struct.pack('!BBH', 2, operation, 0)
    for first, preference in ((0x20010db800010000, 10), (0x20010db800110000, 20)):
        body += struct.pack('!QHH', first, preference, 300)
    return IPv6(src=src, dst=dst) / nonce(bytes.fromhex('01020304')) / ICMPv6Unknown(type=156, code=0, msgbody=body)


def fragmented(packet, size):
    """`packet` has a Fragment header; every fragment as octets."""
    return fragment6(packet, size)


def big_udp(src, dst):
    return IPv6(src=src, dst=dst) / IPv6ExtHdrFragment(id=0x1234) / UDP(sport=40000, dport=40001) / bytes(
        k & 0xff for k in range(2000))


def cut(packet, octets):
    return raw(packet)[:octets]


G1, G11 = '2001:db8:1::', '2001:db8:11::'  # global Locators of site 1
S1, S2, S3 = 'fd00:1::', 'fd00:2::', 'fd00:3::'  # site Locators, and what guests of the site have configured

CASES = {
    'inbound': [
        tcp(CN, G1 + 'a1', 'S'), udp(CN, G1 + 'a1'), ping(CN, G1 + 'a1'),
        tcp(CN, G1 + 'a2'), udp(CN, G1 + 'a2'), ping(CN, G1 + 'a2'),
        tcp(CN, S1 + 'b2'), udp(CN, S1 + 'b2'), ping(CN, S1 + 'b2'),
        tcp(CN, G1 + 'a1', hlim=255), tcp(CN, G1 + 'a1', data=b'odd'),
    ],
    'outbound': [
        tcp(S1 + 'a1', CN), udp(S1 + 'a1', CN), ping(S1 + 'a1', CN, reply=True),
        tcp(S2 + 'b2', CN), udp(S2 + 'b2', CN), ping(S2 + 'b2', CN),
        tcp('fd00:9::c3', CN), tcp(S1 + 'a2', CN), udp(S1 + 'a2', CN), ping(S1 + 'a2', CN, reply=True),
    ],
    'hairpin': [
        tcp(S1 + 'a1', G1 + 'a3', 'S'), tcp(S1 + 'a3', G1 + 'a1', 'SA'), ping(S1 + 'a1', G1 + 'a2'),
        udp(S1 + 'a2', G1 + 'a1'), ping(S1 + 'a1', G1 + 'a1'),
    ],
    'between-guests': [
        tcp(S1 + 'a1', S1 + 'a2'), tcp(S1 + 'a2', S1 + 'a1'), udp(S1 + 'a1', S2 + 'b1'), udp(S2 + 'b1', S1 + 'a1'),
        ping(S1 + 'a1', S2 + 'b2'), ping(S2 + 'b2', S1 + 'a1', reply=True),
    ],
    'ptb-quote-translated': [
        about(ROUTER, G1 + 'a1', ICMPv6PacketTooBig(mtu=1280), tcp(G1 + 'a1', CN, data=bytes(1400))),
        about(ROUTER, G1 + 'a2', ICMPv6PacketTooBig(mtu=1280), tcp(G1 + 'a2', CN, data=bytes(1400))),
        about(CN, G1 + 'a1', ICMPv6DestUnreach(code=4), udp(G1 + 'a1', CN)),
        about(ROUTER, G1 + 'a1', ICMPv6TimeExceeded(code=0), ping(G1 + 'a1', CN)),
        about(S1 + 'a1', CN, ICMPv6DestUnreach(code=4), udp(CN, S1 + 'a1')),
        about(S1 + 'a2', CN, ICMPv6DestUnreach(code=4), udp(CN, S1 + 'a2')),
        about(ROUTER, G1 + 'a1', ICMPv6PacketTooBig(mtu=1400), cut(tcp(G1 + 'a1', CN), 44)),
        about(ROUTER, G1 + 'a1', ICMPv6PacketTooBig(mtu=1400), cut(tcp(G1 + 'a1', CN), 30)),
    ],
    'fragments': [
        *fragmented(big_udp(CN, G1 + 'a1'), 1280), *fragmented(big_udp(S1 + 'a1', CN), 1280),
        *fragmented(big_udp(CN, G1 + 'a2'), 900),
    ],
    'extension-headers': [
        tcp(CN, G1 + 'a1', between=nonce(bytes.fromhex('01020304'))),
        udp(CN, G1 + 'a1', between=nonce(bytes.fromhex('0102030405060708090a0b0c'))),
        tcp(S1 + 'a1', CN, between=nonce(bytes.fromhex('0a0b0c0d'))),
        tcp(CN, G1 + 'a1', between=IPv6ExtHdrHopByHop(options=[RouterAlert()])),
        tcp(CN, G1 + 'a1', between=IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0\0'), HBHOptUnknown(
            otype=0x8B, optdata=bytes.fromhex('01020304'))])),
        locator_update(CN, G1 + 'a1', 1), locator_update(S1 + 'a1', CN, 2),
    ],
    'udp-zero-checksum': [
        IPv6(src=CN, dst=G1 + 'a1') / UDP(sport=40000, dport=4789, chksum=0) / DATA,
        IPv6(src=S1 + 'a1', dst=CN) / UDP(sport=4789, dport=40000, chksum=0) / DATA,
        udp(CN, G1 + 'a1', data=DATA),
    ],
    'spoofed-and-unknown': [
        tcp(G1 + 'a1', G1 + 'a3'), tcp(S1 + '77', G1 + 'a1'), tcp(CN, S1 + 'a1'), tcp(CN, '2001:db8:ffff::1'),
        tcp(CN, G1 + 'dead'), udp(CN, G1 + 'dead'), ping(CN, G1 + 'dead'), tcp(CN, G1 + 'b1'),
        tcp('ff02::1', G1 + 'a1'), tcp('fe80::1', G1 + 'a1'),
        about(CN, G1 + 'a1', ICMPv6DestUnreach(code=4), udp('2001:db8:99::1', CN)),
        raw(IP(src='192.0.2.1', dst='192.0.2.2') / UDP()), cut(tcp(CN, G1 + 'a1'), 50), cut(tcp(CN, G1 + 'a1'), 20),
        IPv6(src=CN, dst=G1 + 'a1', nh=6) / Raw(b'\x01\x02\x03\x04'),
    ],
    'unknown-source': [tcp(S1 + 'ee', CN), tcp('2001:db8:77::1', CN), tcp(S1 + 'a2', CN), tcp(S1 + 'a1', 'fe80::1')],
    'foreign-source': [tcp(S3 + 'a1', CN), tcp(S2 + 'b1', CN), tcp(CN, S3 + 'a2'), tcp(CN, S1 + 'b1', hlim=10)],
    'two-uplinks': [
        tcp(CN, G11 + 'a1', 'S'), tcp(S1 + 'a1', CN, 'SA', 443, 50000), tcp(S1 + 'a1', '2001:db8:d::d0', 'S'),
        tcp(CN, G1 + 'a3', 'S'), tcp(S1 + 'a3', CN, 'SA', 443, 50000), tcp(S1 + 'a4', CN, 'S'), udp(CN, G11 + 'a2'),
        udp(S1 + 'a2', CN, 40001, 40000),
    ],
    'zeroed': [
        zeroed(tcp(CN, G1 + 'a1', between=nonce(bytes.fromhex('01020304')))), zeroed(tcp(S1 + 'a1', CN)),
        zeroed(udp(CN, G1 + 'a1', between=nonce(bytes.fromhex('01020304')))), tcp('2001:db8:d::d0', G1 + 'a1'),
        ping(CN, G1 + 'a1'),
    ],
    'subnets': [
        tcp('fd01:203:405:7::10', CN), tcp(CN, '2001:db8:100:7::10'), udp('fd05:0:0:4::10', CN),
        udp(CN, '2001:db8:200:1::10'), ping('fd01:203:405:7::10', G1 + 'a1'),
    ],
}


def write(case, packets):
    with open(os.path.join(HERE, case, 'in.pcap'), 'wb') as f:
        f.write(struct.pack('<IHHIIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))
        for k, packet in enumerate(packets):
            octets = packet if isinstance(packet, bytes) else raw(packet)
            f.write(struct.pack('<IIII', START, 1000 * k, len(octets), len(octets)) + octets)


def records(path):
    with open(path, 'rb') as f:
        data = f.read()
    at = 24
    while at < len(data):
        length = struct.unpack('<I', data[at + 8:at + 12])[0]
        yield data[at + 16:at + 16 + length]
        at += 16 + length


def judge(octets, waiting):
    """What scapy says of the checksum: right, wrong, zeroed, none, or unknown; fragments are put together first."""
    packet = IPv6(octets)
    if IPv6ExtHdrFragment in packet:
        header = packet[IPv6ExtHdrFragment]
        key = (packet.src, packet.dst, header.id)
        waiting.setdefault(key, {})[header.offset] = (header.m, bytes(header.payload))
        pieces = waiting[key]
        whole = b''.join(piece for _, piece in sorted((o, p) for o, (_, p) in pieces.items()))
        if all(more for more, _ in pieces.values()):
            return 'part'
        packet = IPv6(raw(IPv6(src=packet.src, dst=packet.dst, nh=header.nh) / Raw(whole)))
    for layer, proto in ((TCP, 6), (UDP, 17)):
        if layer in packet and not any(name.startswith('ICMPv6') for name in names(packet)):
            segment = raw(packet[layer])
            return verdict(packet, proto, segment, layer is UDP and packet[UDP].chksum == 0)
    at = 40
    if packet.nh == 60:
        at += 8 + 8 * octets[41]
    return verdict(packet, 58, octets[at:], False) if packet.nh == 58 or (packet.nh == 60 and octets[40] == 58) else 'unknown'


def names(packet):
    while packet:
        yield type(packet).__name__
        packet = packet.payload


def verdict(packet, proto, segment, none):
    if none:
        return 'none'
    base = IPv6(src=packet.src, dst=packet.dst, nh=proto, plen=len(segment))
    if in6_chksum(proto, base, segment) in (0, 0xffff):
        return 'right'
    low = IPv6(src='::' + packet.src.rsplit('::', 1)[-1], dst='::' + packet.dst.rsplit('::', 1)[-1], nh=proto)
    return 'zeroed' if in6_chksum(proto, low, segment) in (0, 0xffff) else 'wrong'


def witness(case):
    path = os.path.join(HERE, case, 'out.pcap')
    waiting = {}
    said = [judge(octets, waiting) for octets in records(path)]
    tshark = subprocess.run(
        ['tshark', '-r', path, '-o', 'tcp.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE', '-Y',
         'tcp.checksum.status == "Bad" || udp.checksum.status == "Bad" || icmpv6.checksum.status == "Bad" || _ws.malformed',
         '-T', 'fields', '-e', 'frame.number'], capture_output=True, text=True, check=True).stdout.split()
    counts = {word: said.count(word) for word in sorted(set(said))}
    print(f'{case}: {len(said)} packets; scapy: {counts}; tshark finds wrong or malformed: {" ".join(tshark) or "none"}')


if __name__ == '__main__':
    mode, chosen = sys.argv[1], sys.argv[2:] or list(CASES)
    for name in chosen:
        if mode == 'make':
            os.makedirs(os.path.join(HERE, name), exist_ok=True)
            write(name, CASES[name])
        else:
            witness(name)
