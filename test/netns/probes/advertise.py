#!/usr/bin/python3
"""Sends a Router Advertisement (RFC 4861 section 4.2) with one prefix to all nodes of a link.

    advertise.py INTERFACE SOURCE PREFIX VALID PREFERRED [EVERY] [--router LIFETIME] [--preference low|medium|high]

Lifetimes in seconds; the router's is VALID unless it is given. EVERY: again and again, so many seconds apart. The
preference is that of RFC 4191.
"""
import argparse

from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether
from scapy.sendrecv import sendp

parser = argparse.ArgumentParser()
for name in ("interface", "source", "prefix"):
    parser.add_argument(name)
parser.add_argument("valid", type=int)
parser.add_argument("preferred", type=int)
parser.add_argument("every", type=float, nargs="?")
parser.add_argument("--router", type=int)
parser.add_argument("--preference", choices=("low", "medium", "high"), default="medium")
given = parser.parse_args()

with open(f"/sys/class/net/{given.interface}/address", encoding="ascii") as file:
    mac = file.read().strip()
sendp(
    Ether(src=mac, dst="33:33:00:00:00:01")
    / IPv6(src=given.source, dst="ff02::1", hlim=255)
    / ICMPv6ND_RA(
        routerlifetime=given.valid if given.router is None else given.router,
        prf={"medium": 0, "high": 1, "low": 3}[given.preference],
    )
    / ICMPv6NDOptSrcLLAddr(lladdr=mac)
    / ICMPv6NDOptPrefixInfo(
        prefix=given.prefix, prefixlen=64, L=1, A=1, validlifetime=given.valid, preferredlifetime=given.preferred
    ),
    iface=given.interface,
    verbose=False,
    **({} if given.every is None else {"inter": given.every, "loop": 1}),
)
