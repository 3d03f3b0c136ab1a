#!/usr/bin/python3
"""Says of every packet of a capture what scapy makes of its transport checksum, as a JSON list.

    checksums.py CAPTURE...     a list per capture: right, zeroed, wrong, none, part, unknown

Independent of our own code on purpose. Packets are whole IPv6 packets (link type 229), octets behind them are passed over.
"""
import json
import struct
import sys
from socket import AF_INET6, inet_ntop

from scapy.all import IPv6, IPv6ExtHdrFragment, in6_chksum

CHECKSUMS = (6, 17, 58, 136)  # TCP, UDP, ICMPv6, UDP-Lite


def records(path):
    with open(path, 'rb') as f:
        data = f.read()
    at = 24
    while at < len(data):
        length = struct.unpack('<I', data[at + 8:at + 12])[0]
        yield data[at + 16:at + 16 + length]
        at += 16 + length


def last_header(packet):
    """The header before the upper layer, None when that has no transport checksum or a header is unknown to scapy."""
    layer = packet
    while layer and hasattr(layer, 'nh'):
        if isinstance(layer, IPv6ExtHdrFragment) and (layer.m or layer.offset):
            return 'part'
        if layer.nh in CHECKSUMS:
            return layer
        layer = layer.payload
    return None


def judge(octets):
    if len(octets) < 40 or len(octets) < 40 + struct.unpack('!H', octets[4:6])[0]:
        return 'unknown'
    packet = IPv6(octets)
    header = last_header(packet)
    if header is None or header == 'part':
        return header or 'unknown'
    segment = header.payload.original
    if header.nh in (17, 136) and segment[6:8] == b'\0\0':
        return 'none'
    # with the headers under it, among which scapy looks for the last destination of a Routing header
    if in6_chksum(header.nh, header, segment) in (0, 0xffff):
        return 'right'
    source, destination = (inet_ntop(AF_INET6, bytes(8) + octets[at:at + 8]) for at in (16, 32))
    if in6_chksum(header.nh, IPv6(src=source, dst=destination), segment) in (0, 0xffff):
        return 'zeroed'
    return 'wrong'


if __name__ == '__main__':
    json.dump([[judge(octets) for octets in records(path)] for path in sys.argv[1:]], sys.stdout)
