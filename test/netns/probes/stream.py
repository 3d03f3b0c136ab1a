"""Numbered datagrams at a steady pace, one way, faster than the other probes can: JSON lines, results on SIGTERM.

python3 stream.py send ADDRESS PORT RATE [OCTETS] | recv PORT

The receiver says its longest silence by the kernel's clock: when datagrams came to its network stack, not when it got to read them. Its buffer holds seconds of it, so that what is lost was lost on the way.
"""

import json
import signal
import socket
import struct
import sys
import time

SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
BUFFER = 256 << 20
SLOT = 0.0005


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


stopping = False


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)


def send(address, port, rate, octets=64):
    out = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    out.connect((address, port))
    say("sending")
    sent = 0
    start = time.monotonic()
    refused = 0
    filling = bytes(octets - 16)
    while not stopping:
        due = int((time.monotonic() - start) * rate)
        while sent < due:
            try:
                out.send(struct.pack("!IId", 1, sent, time.time()) + filling)
                sent += 1
            except OSError:
                refused += 1
        time.sleep(SLOT)
    say("result", sent=sent, refused=refused)


def recv(port):
    into = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    into.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    into.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    into.bind(("::", port))
    into.settimeout(0.1)
    say("listening")
    seen = bytearray()
    received = doubled = overtaken = 0
    highest = -1
    told = last = 0.0
    longest = 0.0
    while True:
        try:
            data, ancillary, _, _ = into.recvmsg(2048, 64)
        except socket.timeout:
            if stopping:
                break
            continue
        number = struct.unpack_from("!I", data, 4)[0]
        seconds, ns = struct.unpack("qq", ancillary[0][2])
        now = seconds + ns / 1e9
        ms = (now - last) * 1000 if last > 0 else 0
        longest = max(longest, ms)
        last = now
        if number >= len(seen):
            seen.extend(bytes(number + 65536 - len(seen)))
        if seen[number]:
            doubled += 1
            continue
        seen[number] = 1
        received += 1
        if number < highest:
            overtaken += 1
        highest = max(highest, number)
        if now - told > 0.05:
            told = now
            say("progress", received=received)
    say("result", received=received, doubled=doubled, overtaken=overtaken, gapMs=longest)


if sys.argv[1] == "send":
    send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int((sys.argv[5:] or ["64"])[0]))
else:
    recv(int(sys.argv[2]))
