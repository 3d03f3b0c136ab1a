#!/usr/bin/python3
"""Forged packets at a steady rate, each with another source, out of the namespace it runs in: JSON lines.

    forge.py RATE SECONDS EXPRESSION...

Each EXPRESSION is scapy: IPv6(src="…", dst="…")/UDP(sport=1, dport=2)/b"x"; all take turns. A source with the identifier
0:ffff:0:ffff gets another one each time, with the same sum, so that checksums stay right. With `nonce:` before it a Nonce
option (RFC 6744) goes in, another one each time. One that begins with Ether(…) is a frame on eth0; the link-layer address
02:0b:ad:00:00:00 in it becomes another one each time. SIGTERM ends it early.
"""
import json
import signal
import socket
import struct
import sys
import time

from scapy.layers.inet import TCP, UDP  # noqa: F401 (names for the expressions)
from scapy.layers.inet6 import *  # noqa: F401,F403
from scapy.layers.l2 import ARP, Ether  # noqa: F401
from scapy.packet import Raw  # noqa: F401

SOURCE, NONCE = 8, 44
ODD = 0x9E3779B1  # times that, all counters of 32 bits are different numbers
FORGED = bytes.fromhex("0000ffff0000ffff")
MACHINE = bytes.fromhex("020bad000000")
SLOT = 0.001

stopping = False


def stop(*_):
    global stopping
    stopping = True


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Template:
    def __init__(self, expression):
        has_nonce = expression.startswith("nonce:")
        packet = eval(expression.removeprefix("nonce:"))  # noqa: S307 (written by our own tests)
        self.is_frame = isinstance(packet, Ether)
        octets = bytearray(bytes(packet))
        if has_nonce:
            octets[40:40] = bytes([octets[6], 0, 0x8B, 4, 0, 0, 0, 0])
            octets[6] = 60
            octets[4:6] = struct.pack("!H", len(octets) - 40)
        self.octets = octets
        self.nonce = NONCE if has_nonce else None
        self.identifiers = [k for k in range(len(octets) - 8) if octets[k : k + 8] == FORGED]
        self.machines = [k for k in range(len(octets) - 6) if octets[k : k + 6] == MACHINE]
        self.to = None if self.is_frame else (socket.inet_ntop(socket.AF_INET6, bytes(octets[24:40])), 0)

    def draw(self, drawn):
        x, y = drawn >> 16, drawn & 0xFFFF
        for k in self.identifiers:
            struct.pack_into("!4H", self.octets, k, x, x ^ 0xFFFF, y, y ^ 0xFFFF)
        for k in self.machines:
            struct.pack_into("!I", self.octets, k + 2, drawn)
        if self.nonce is not None:
            struct.pack_into("!I", self.octets, self.nonce, drawn ^ 0x5A5A5A5A)


signal.signal(signal.SIGTERM, stop)
rate, seconds = float(sys.argv[1]), float(sys.argv[2])
templates = [Template(expression) for expression in sys.argv[3:]]
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
link = None
if any(t.is_frame for t in templates):
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind(("eth0", 0))
say("sending")
sent = refused = 0
start = time.monotonic()
while not stopping and (now := time.monotonic() - start) < seconds:
    while sent < now * rate:
        one = templates[sent % len(templates)]
        one.draw((sent + 1) * ODD & 0xFFFFFFFF)
        try:
            if one.is_frame:
                link.send(one.octets)
            else:
                raw.sendto(one.octets, one.to)
        except OSError:
            refused += 1
        sent += 1
    time.sleep(SLOT)
say("result", sent=sent, refused=refused, seconds=time.monotonic() - start)
