#!/usr/bin/python3
"""Sends packets as they are written, addresses included, through the routing of the namespace it runs in.

    send.py [--count N] EXPRESSION...     each EXPRESSION is scapy: IPv6(src="…", dst="…")/UDP(sport=1, dport=2)/b"x"
"""
import argparse
import socket

from scapy.layers.inet import TCP, UDP  # noqa: F401 (names for the expressions)
from scapy.layers.inet6 import *  # noqa: F401,F403
from scapy.packet import Raw  # noqa: F401

arguments = argparse.ArgumentParser()
arguments.add_argument("--count", type=int, default=1)
arguments.add_argument("expression", nargs="+")
options = arguments.parse_args()

# IPPROTO_RAW: the header is ours; the kernel only chooses the way.
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
packets = [eval(expression) for expression in options.expression]  # noqa: S307 (written by our own tests)
octets = [(bytes(packet), packet.dst) for packet in packets]
for _ in range(options.count):
    for data, destination in octets:
        raw.sendto(data, (destination, 0))
