#!/usr/bin/env python3
"""Writes the golden datagrams of the election's protocol from man/qure-election.7 alone, with Python's own HMAC: an
encoder that shares nothing with ours. It writes v1/ and later/. The files of a released version
are never changed: every later version reads them."""

import hashlib
import hmac
import os
import struct

KEY = bytes(range(32))  # key number 1
NODE, OTHER, THIRD = 0x2122232425262728, 0x4142434445464748, 0x5152535455565758
SESSION, THEIRS = 0x3132333435363738, 0x6162636465666768
NONCE = 0xA1A2A3A4A5A6A7A8


def header(kind, role, sequence, version=1, flags=2, rank=2, gateway=40):
    fields = [
        (b"QURE", "magic"), (bytes([version]), f"version {version}"), (bytes([KINDS[kind]]), kind),
        (bytes([ROLES.index(role)]), role), (bytes([flags]), "flags"),
        (struct.pack(">Q", 0x1112131415161718), "cluster"), (struct.pack(">Q", NODE), "node"),
        (struct.pack(">Q", SESSION), "session"), (struct.pack(">Q", sequence), f"sequence {sequence}"),
        (struct.pack(">Q", 7), "term 7"), (struct.pack(">H", rank), f"rank {rank}"),
        (bytes([100]), "priority 100"), (bytes([1]), "key 1"), (struct.pack(">I", 100000), "interval 100 ms"),
        (struct.pack(">I", 200000), "tolerance 200 ms"), (struct.pack(">I", 0xCAFEBABE), "settings"),
        (struct.pack(">I", gateway), "gateway heard, ms ago"), (struct.pack(">I", 3), "table version 3"),
    ]
    assert sum(len(f[0]) for f in fields) == 72
    return fields


def option(number, body, what):
    return (bytes([number, len(body)]) + body, what)


def u64(*numbers):
    return b"".join(struct.pack(">Q", n) for n in numbers)


KINDS = dict(heartbeat=1, hello=2, suspect=3, alive=4, claim=5, transfer=6, acknowledgement=7, released=8, goodbye=9,
             challenge=10, response=11, down=12)
ROLES = "joining standby suspecting claiming master transferring quarantined maintenance fault goodbye".split()
SUBJECT = option(5, u64(OTHER), "subject")
MAC = option(7, bytes.fromhex("525400123456"), "hardware address")
NAME = option(8, b"h1", "name h1")
UNKNOWN = [option(200, b"later", "an option of a later version"), option(10, b"", "and an empty one")]

MESSAGES = {
    "heartbeat": (header("heartbeat", "master", 256),
                  [option(1, u64(OTHER, THIRD), "successors"), option(2, u64(OTHER, THEIRS, 9), "digest"), MAC, NAME]),
    "hello": (header("hello", "standby", 257, rank=65535, gateway=0xFFFFFFFF),
              [option(2, u64(OTHER, THEIRS, 9), "digest"), MAC, NAME]),
    "suspect": (header("suspect", "suspecting", 258), [option(3, u64(NONCE), "nonce"), SUBJECT, MAC, NAME]),
    "alive": (header("alive", "standby", 259),
              [option(4, u64(NONCE), "echo"), SUBJECT,
               option(6, u64(11) + struct.pack(">I", 12345), "heard: sequence 11, 12.345 ms ago"), MAC, NAME]),
    "claim": (header("claim", "claiming", 260), [MAC, NAME]),
    "transfer": (header("transfer", "transferring", 261), [SUBJECT, MAC, NAME]),
    "acknowledgement": (header("acknowledgement", "master", 262), [SUBJECT, MAC, NAME]),
    "released": (header("released", "standby", 263), [SUBJECT, MAC, NAME]),
    "goodbye": (header("goodbye", "goodbye", 264, flags=3), [MAC, NAME, option(9, b"stopped", "reason")]),
    "challenge": (header("challenge", "joining", 265, flags=10), [option(3, u64(NONCE), "nonce"), MAC, NAME]),
    "response": (header("response", "standby", 266), [option(4, u64(NONCE), "echo"), MAC, NAME]),
    "down": (header("down", "standby", 267), [SUBJECT, MAC, NAME]),
}
LATER = {
    "heartbeat": (header("heartbeat", "master", 256, version=2), UNKNOWN[:1] + MESSAGES["heartbeat"][1] + UNKNOWN[1:]),
}


def write(path, title, fields):
    datagram = b"".join(f[0] for f in fields)
    code = hmac.new(KEY, datagram, hashlib.sha256).digest()[:16]
    with open(path, "w") as file:
        file.write(f"# {title}; key 1 is 00 01 02 … 1f.\n")
        for data, what in fields + [(code, "HMAC-SHA256, 128 bits of it")]:
            file.write(f"{data.hex(' '):<38}  # {what}\n")


here = os.path.dirname(os.path.abspath(__file__))
for folder, messages in (("v1", MESSAGES), ("later", LATER)):
    os.makedirs(f"{here}/{folder}", exist_ok=True)
    for name, (fields, options) in messages.items():
        title = f"{name}, version 1" if folder == "v1" else f"{name} of a later version, with options that are unknown"
        write(f"{here}/{folder}/{name}.hex", title, fields + options)
