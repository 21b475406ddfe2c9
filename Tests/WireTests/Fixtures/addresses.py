#!/usr/bin/env python3
"""Writes addresses.txt: texts, right and wrong, with what Python's ipaddress makes of them.

    addresses.py [COUNT [SEED]] > addresses.txt

One text a line, a tab, then its canonical form or "-" for no address. An independent witness for the parsers and
printers of IPv4, IPv6 and prefixes. Where this project means something else on purpose the text is left out here and
stands in AddressTests.swift: zones, netmasks, prefix lengths with leading zeros.
"""
import ipaddress
import random
import sys

count = int(sys.argv[1]) if len(sys.argv) > 1 else 1200
chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)


def canonical(text):
    """The RFC 5952 form; older versions of ipaddress print mapped addresses without dotted decimals."""
    address, slash, length = text.partition("/")
    try:
        value = ipaddress.ip_address(address)
        if slash:
            ipaddress.ip_interface(text)
    except ValueError:
        return "-"
    printed = str(value)
    if value.version == 6 and value.ipv4_mapped is not None:
        printed = "::ffff:" + str(value.ipv4_mapped)
    return printed + (slash + length if slash else "")


def group():
    number = chance.getrandbits(16), chance.getrandbits(16)
    return chance.choice(["0", "0", "0", "1", "ff", "db8", "%x" % number[0], "%04X" % number[1]])


def dotted():
    return ".".join(str(chance.choice([0, 1, 9, 10, 127, 255, 256, chance.getrandbits(8)])) for _ in range(4))


def v6():
    groups = [group() for _ in range(chance.choice([8, 8, 8, 7, 6, 3, 2, 1, 9]))]
    if chance.random() < 0.2:
        groups[-1:] = [dotted()]
    text = ":".join(groups)
    if len(groups) < 8 or chance.random() < 0.2:
        at = chance.randrange(len(groups) + 1)
        text = ":".join(groups[:at]) + "::" + ":".join(groups[at:])
    return text


def mutated(text):
    for _ in range(chance.choice([1, 1, 2, 3])):
        at = chance.randrange(len(text) + 1)
        letter = chance.choice("0123456789abcdefABCDEFg:.:./- +x")
        kind = chance.randrange(4)
        if kind == 0:
            text = text[:at] + letter + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + 1:]
        elif kind == 2:
            text = text[:at] + letter + text[at + 1:]
        else:
            text = text[:at] + text[at:][: chance.randrange(1, 4)] + text[at:]
    return text


seen = set()
while len(seen) < count:
    text = chance.choice([dotted, v6, v6])()
    if chance.random() < 0.3:
        text += "/" + str(chance.choice([0, 1, 8, 24, 31, 32, 33, 64, 127, 128, 129, 1000]))
    if chance.random() < 0.5:
        text = mutated(text)
    length = text.partition("/")[2]
    if text in seen or "." in length or ":" in length or (length.startswith("0") and length != "0"):
        continue
    seen.add(text)
    print(text, canonical(text), sep="\t")
