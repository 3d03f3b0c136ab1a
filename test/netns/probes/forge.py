#!/usr/bin/python3
"""Forged packets at a steady rate, each with another source, through the routing of the namespace it runs in: JSON lines.

    forge.py RATE SECONDS EXPRESSION...

Each EXPRESSION is scapy: IPv6(src="…", dst="…")/UDP(sport=1, dport=2)/b"x"; all take turns. A source within 2001:db8:bad::/48
becomes another address each time, with the same sum, so that checksums stay right. With `nonce:` before it a Nonce option
(RFC 6744) goes in, another one each time. SIGTERM ends it early.
"""
import json
import signal
import socket
import struct
import sys
import time

from scapy.layers.inet import TCP, UDP  # noqa: F401 (names for the expressions)
from scapy.layers.inet6 import *  # noqa: F401,F403
from scapy.packet import Raw  # noqa: F401

SOURCE, NONCE = 8, 44
ODD = 0x9E3779B1  # times that, all counters of 32 bits are different numbers
FORGED = bytes.fromhex("20010db80bad")
SLOT = 0.001

stopping = False


def stop(*_):
    global stopping
    stopping = True


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def template(expression):
    has_nonce = expression.startswith("nonce:")
    packet = bytearray(bytes(eval(expression.removeprefix("nonce:"))))  # noqa: S307 (written by our own tests)
    if has_nonce:
        packet[40:40] = bytes([packet[6], 0, 0x8B, 4, 0, 0, 0, 0])
        packet[6] = 60
        packet[4:6] = struct.pack("!H", len(packet) - 40)
    return packet, has_nonce, packet[SOURCE:].startswith(FORGED)


signal.signal(signal.SIGTERM, stop)
rate, seconds = float(sys.argv[1]), float(sys.argv[2])
templates = [template(expression) for expression in sys.argv[3:]]
destinations = [(socket.inet_ntop(socket.AF_INET6, bytes(packet[24:40])), 0) for packet, _, _ in templates]
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
say("sending")
sent = refused = 0
start = time.monotonic()
while not stopping and (now := time.monotonic() - start) < seconds:
    while sent < now * rate:
        k = sent % len(templates)
        packet, has_nonce, is_forged = templates[k]
        drawn = (sent + 1) * ODD & 0xFFFFFFFF
        if is_forged:
            x, y = drawn >> 16, drawn & 0xFFFF
            struct.pack_into("!4H", packet, SOURCE + 8, x, x ^ 0xFFFF, y, y ^ 0xFFFF)
        if has_nonce:
            struct.pack_into("!I", packet, NONCE, drawn ^ 0x5A5A5A5A)
        try:
            raw.sendto(packet, destinations[k])
        except OSError:
            refused += 1
        sent += 1
    time.sleep(SLOT)
say("result", sent=sent, refused=refused, seconds=time.monotonic() - start)
