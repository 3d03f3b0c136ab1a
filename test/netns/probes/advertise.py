#!/usr/bin/python3
"""Sends a Router Advertisement (RFC 4861 section 4.2) with one prefix to all nodes of a link.

    advertise.py INTERFACE SOURCE PREFIX VALID PREFERRED [EVERY]

Lifetimes in seconds; the router's is VALID. EVERY: again and again, so many seconds apart.
"""
import sys

from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether
from scapy.sendrecv import sendp

interface, source, prefix, valid, preferred = sys.argv[1:6]
every = float(sys.argv[6]) if len(sys.argv) > 6 else None
with open(f"/sys/class/net/{interface}/address", encoding="ascii") as file:
    mac = file.read().strip()
sendp(
    Ether(src=mac, dst="33:33:00:00:00:01")
    / IPv6(src=source, dst="ff02::1", hlim=255)
    / ICMPv6ND_RA(routerlifetime=int(valid))
    / ICMPv6NDOptSrcLLAddr(lladdr=mac)
    / ICMPv6NDOptPrefixInfo(
        prefix=prefix, prefixlen=64, L=1, A=1, validlifetime=int(valid), preferredlifetime=int(preferred)
    ),
    iface=interface,
    verbose=False,
    **({} if every is None else {"inter": every, "loop": 1}),
)
