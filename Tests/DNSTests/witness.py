#!/usr/bin/python3
"""Judges DNS messages by an independent decoder, dnspython (Debian's python3-dnspython).

    witness.py < lines

Each line is tabs between: a kind, then what belongs to it. For each line one is written.
    message HEX          ->  accept HEX TYPES (dnspython's own encoding, - if it has none, and the numbers of types that
                             it does not look into), or: reject KIND TEXT
    same HEX HEX         ->  same, or what differs: two messages that must mean the same
    data TYPE HEX TEXT   ->  same, or what dnspython makes of TEXT: record data, and how we write them
    text TYPE HEX        ->  dnspython's text of record data, or: reject TEXT
    tsig HEX NAME ALGORITHM SECRET TIME REQUEST-CODE -> accept, or: error KIND TEXT
    sign HEX NAME ALGORITHM SECRET TIME REQUEST-CODE -> three times HEX, signed as one answer of three messages
"""
import binascii
import sys
import time

import dns.exception
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring


def read(octets):
    """A message; whether its signature is right is not asked."""
    validate, dns.tsig.validate = dns.tsig.validate, lambda *arguments: None
    try:
        return dns.message.from_wire(octets, one_rr_per_rrset=True, keyring=lambda message, name: True)
    finally:
        dns.tsig.validate = validate


def opaque(message):
    """The types that dnspython does not look into."""
    rrsets = [rrset for section in message.sections[1:] for rrset in section]
    return ",".join(sorted({str(int(r.rdtype)) for r in rrsets if len(r) and isinstance(r[0], dns.rdata.GenericRdata)}))


def meaning(message):
    """All of a message: header, sections record by record, OPT, TSIG."""
    lines = [str((message.id, message.flags, message.opcode(), message.rcode()))]
    for section in message.sections:
        for rrset in section:
            owner = (rrset.name.to_text(), rrset.rdclass, rrset.rdtype, getattr(rrset, "deleting", None))
            data = [item.to_wire().hex() for item in rrset]
            lines.append(str((owner, rrset.ttl, data)))
        lines.append("")
    if message.opt is not None:
        options = [(option.otype, option.to_wire()) for option in message.opt[0].options]
        lines.append(str((message.edns, message.ednsflags & 0xFFFFFF, message.payload, options)))
    if message.tsig is not None:
        lines.append(message.tsig.to_text())
    return lines


def answer(line):
    kind, *rest = line.rstrip("\n").split("\t")
    if kind == "message":
        try:
            message = read(bytes.fromhex(rest[0]))
        except Exception as error:
            return "reject\t%s\t%s" % (type(error).__name__, " ".join(str(error).split()))
        try:
            return "accept\t%s\t%s" % (message.to_wire(max_size=65535).hex(), opaque(message))
        except Exception as error:
            return "accept\t-\t%s" % opaque(message)
    if kind == "same":
        one, other = (meaning(read(bytes.fromhex(text))) for text in rest)
        return "same" if one == other else "%s | %s" % (one, other)
    if kind == "data":
        rdtype = dns.rdatatype.from_text(rest[0])
        octets = bytes.fromhex(rest[1])
        data = dns.rdata.from_text("IN", rdtype, rest[2], dns.name.root, False)
        return "same" if data.to_wire() == octets else data.to_wire().hex()
    if kind == "text":
        octets = bytes.fromhex(rest[1])
        try:
            return dns.rdata.from_wire("IN", dns.rdatatype.from_text(rest[0]), octets, 0, len(octets)).to_text()
        except Exception as error:
            return "reject\t%s" % type(error).__name__
    if kind == "tsig":
        name = dns.name.from_text(rest[1])
        ring = {name: dns.tsig.Key(name, bytes.fromhex(rest[3]), rest[2])}
        time.time = lambda: int(rest[4])
        message = dns.message.from_wire(bytes.fromhex(rest[0]), keyring=ring, request_mac=bytes.fromhex(rest[5]))
        return "accept" if message.had_tsig else "unsigned"
    if kind == "sign":
        name = dns.name.from_text(rest[1])
        time.time = lambda: int(rest[4])
        message = dns.message.from_wire(bytes.fromhex(rest[0]))
        message.use_tsig(dns.tsig.Key(name, bytes.fromhex(rest[3]), rest[2]), original_id=message.id)
        message.request_mac = bytes.fromhex(rest[5])
        stream, context = [], None
        for _ in range(3):
            stream.append(message.to_wire(multi=True, tsig_ctx=context).hex())
            context = message.tsig_ctx
        return " ".join(stream)
    raise ValueError(kind)


for line in sys.stdin:
    try:
        said = answer(line)
    except Exception as error:
        said = "error\t%s\t%s" % (type(error).__name__, " ".join(str(error).split()))
    print(said)
