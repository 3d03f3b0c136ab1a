#!/usr/bin/python3
"""Sends UDP datagrams of one size that must not be fragmented until the kernel has learnt the path MTU, and prints it.

    dont_fragment.py HOST PORT OCTETS     exit code 1 when nothing was learnt within five seconds
"""
import errno
import socket
import sys
import time

IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO, IPV6_MTU = 23, 2, 24

host, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
probe = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
probe.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO)
probe.connect((host, port))
deadline = time.monotonic() + 5
while time.monotonic() < deadline:
    try:
        probe.send(b"x" * size)
    except OSError as error:
        if error.errno == errno.EMSGSIZE:
            print(probe.getsockopt(socket.IPPROTO_IPV6, IPV6_MTU))
            sys.exit(0)
        if error.errno != errno.ECONNREFUSED:
            raise
    time.sleep(0.05)
sys.exit(1)
