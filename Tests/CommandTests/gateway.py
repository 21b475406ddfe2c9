"""A home gateway that does what a test says: gateway.py ADDRESS [pcp=WHAT] [nat-pmp=WHAT] [upnp=WHAT] [dns-udp=WHAT]
[dns-tcp=WHAT] [announce=PROTOCOL:EPOCH[:ADDRESS[:SENDER]]].

WHAT is an address, or several with commas between, one for each question in turn; or one of
silent (the default), garbage, slow:SECONDS:ADDRESS, error:NUMBER; for pcp also version (it knows NAT-PMP alone), nonce
(the answer to somebody else's request); for upnp also elsewhere (the description is at another host), chunked:ADDRESS,
endless, closed (nobody listens there), second:ADDRESS (the first connection has none). The last two are a server of
the DNS that answers every question of A or TXT with the address, or error:RCODE, or nothing. With announce= all hosts
are told of a restart when it starts, by pcp or nat-pmp, from ADDRESS or another one of this host.
What it is asked is written to standard output, one line for each question.
"""

import http.server
import socket
import struct
import sys
import threading
import time

ADDRESS = sys.argv[1]
BEHAVIOUR = dict.fromkeys(["pcp", "nat-pmp", "upnp", "dns-udp", "dns-tcp"], "silent")
BEHAVIOUR["announce"] = ""
BEHAVIOUR.update(word.split("=", 1) for word in sys.argv[2:])
TURN = dict.fromkeys(BEHAVIOUR, 0)
GARBAGE = bytes(range(7, 67)) * 3
KINDS = ["silent", "garbage", "error", "version", "nonce", "elsewhere", "chunked", "endless", "closed", "second"]


def say(*words):
    # In one piece, for there are several threads.
    print(" ".join(map(str, words)) + "\n", end="", flush=True)


def answer(method):
    """What this method's next answer is: (kind, value)."""
    what = BEHAVIOUR[method]
    kind, _, value = what.partition(":")
    if kind == "slow":
        seconds, _, value = value.partition(":")
        time.sleep(float(seconds))
        return "address", value
    if kind in KINDS:
        return kind, value
    addresses = what.split(",")
    TURN[method] += 1
    return "address", addresses[(TURN[method] - 1) % len(addresses)]


def mapped(address):
    return b"\0" * 10 + b"\xff\xff" + socket.inet_aton(address)


def pcp(request):
    lifetime = struct.unpack(">I", request[4:8])[0]
    say("pcp", len(request), "lifetime", lifetime)
    if lifetime == 0:
        return None
    kind, value = answer("pcp")
    head = lambda result: struct.pack(">BBBBII", 2, 0x81, 0, result, 60, 1000) + b"\0" * 12
    if kind == "garbage":
        return GARBAGE
    if kind == "version":
        return struct.pack(">BBHI", 0, 0x81, 1, 1000)
    if kind == "error":
        return head(int(value)) + request[24:60]
    if kind == "nonce":
        return head(0) + b"\x5a" * 12 + request[36:44] + mapped("8.8.8.8")
    if kind == "address":
        return head(0) + request[24:42] + struct.pack(">H", 4321) + mapped(value)
    return None


def nat_pmp(request):
    say("nat-pmp", request.hex())
    kind, value = answer("nat-pmp")
    if kind == "garbage":
        return GARBAGE
    if kind == "error":
        return struct.pack(">BBHI", 0, 0x80, int(value), 1000) + b"\0" * 4
    if kind == "address":
        return struct.pack(">BBHI", 0, 0x80, 0, 1000) + socket.inet_aton(value)
    return None


def announce(server):
    protocol, epoch, address, sender = (BEHAVIOUR["announce"].split(":") + ["", ""])[:4]
    if protocol == "pcp":
        announcement = struct.pack(">BBBBII", 2, 0x80, 0, 0, 0, int(epoch)) + b"\0" * 12
    else:
        announcement = struct.pack(">BBHI", 0, 0x80, 0, int(epoch)) + socket.inet_aton(address)
    if sender:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((sender, 5351))
    server.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sender or ADDRESS))
    server.sendto(announcement, ("224.0.0.1", 5350))


def mappings():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((ADDRESS, 5351))
    if BEHAVIOUR["announce"]:
        announce(server)
    while True:
        request, client = server.recvfrom(2048)
        reply = pcp(request) if request[:1] == b"\x02" else nat_pmp(request)
        if reply:
            server.sendto(reply, client)


SERVICES = [("WANCommonInterfaceConfig", "/common"), ("WANPPPConnection", "/ctl/PPP")]
SERVICES += [("WANIPConnection", "ctl/IP?a=1&amp;b=2")]
DESCRIPTION = (
    '<?xml version="1.0"?>\n<root xmlns="urn:schemas-upnp-org:device-1-0"><device>\n'
    "<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device><serviceList>\n"
    + "".join(
        f"<service><serviceType>urn:schemas-upnp-org:service:{name}:1</serviceType>\n"
        f"<controlURL>{path}</controlURL></service>\n" for name, path in SERVICES)
    + "</serviceList></device></deviceList></device></root>\n")


class Device(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, text, chunked=False):
        body = text.encode()
        self.send_response(status)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"".join(b"%x\r\n%c\r\n" % (1, octet) for octet in body) + b"0\r\n\r\n"
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        say("upnp", "GET", self.path)
        kind, _ = BEHAVIOUR["upnp"].split(":")[0], None
        if kind == "garbage":
            self.wfile.write(GARBAGE)
            self.close_connection = True
        elif kind == "endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"<a>" * 10000)
            except OSError:
                self.close_connection = True
        else:
            self.reply(200, DESCRIPTION, kind == "chunked")

    def do_POST(self):
        say("upnp", "POST", self.path, self.headers["SOAPAction"])
        self.rfile.read(int(self.headers["Content-Length"]))
        kind, value = answer("upnp")
        if kind == "error":
            self.reply(int(value), "<s:Envelope/>")
            return
        if kind == "second" and "PPP" in self.path:
            self.reply(500, "<s:Envelope/>")
            return
        text = (
            '<?xml version="1.0"?><s:Envelope><s:Body><u:GetExternalIPAddressResponse><NewExternalIPAddress>%s'
            "</NewExternalIPAddress></u:GetExternalIPAddressResponse></s:Body></s:Envelope>" % value
        )
        self.reply(200, text, kind == "chunked")


def devices():
    what = BEHAVIOUR["upnp"].split(":")[0]
    if what == "silent":
        return
    if what != "closed":
        server = http.server.ThreadingHTTPServer((ADDRESS, 5000), Device)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    finder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    finder.bind(("", 1900))
    group = socket.inet_aton("239.255.255.250") + socket.inet_aton(ADDRESS)
    finder.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    say("ready upnp")
    while True:
        request, client = finder.recvfrom(2048)
        text = request.decode("latin-1")
        if not text.startswith("M-SEARCH"):
            continue
        say("upnp", "search")
        target = [line[4:] for line in text.split("\r\n") if line.startswith("ST: ")][0]
        host = "192.0.2.66" if what == "elsewhere" else ADDRESS
        finder.sendto(
            f"HTTP/1.1 200 OK\r\nST: {target}\r\nLOCATION: http://{host}:5000/desc/root.xml\r\n\r\n".encode(), client)


def dns(method, query):
    """The answer to a question, which has no other sections."""
    say(method)
    kind, value = answer(method)
    flags = 0x8400 | (int(value) if kind == "error" else 0)
    head = query[:2] + struct.pack(">HHHHH", flags, 1, kind == "address", 0, 0)
    if kind == "silent":
        return None
    if kind != "address":
        return head + query[12:]
    is_text = query[-4:-2] == b"\0\x10"
    data = bytes([len(value)]) + value.encode() if is_text else socket.inet_aton(value)
    return head + query[12:] + b"\xc0\x0c" + query[-4:] + struct.pack(">IH", 0, len(data)) + data


def dns_datagrams():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((ADDRESS, 53))
    while True:
        query, client = server.recvfrom(2048)
        reply = dns("dns-udp", query)
        if reply:
            server.sendto(reply, client)


def dns_streams():
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind((ADDRESS, 53))
    server.listen()
    silent = []
    while True:
        stream, _ = server.accept()
        length = struct.unpack(">H", stream.recv(2))[0]
        reply = dns("dns-tcp", stream.recv(length))
        if reply:
            stream.sendall(struct.pack(">H", len(reply)) + reply)
            stream.close()
        else:
            # Not closed either: the client is to wait.
            silent.append(stream)


threading.Thread(target=dns_datagrams, daemon=True).start()
threading.Thread(target=dns_streams, daemon=True).start()
if BEHAVIOUR["pcp"] != "closed":
    threading.Thread(target=mappings, daemon=True).start()
threading.Thread(target=devices, daemon=True).start()
say("ready")
threading.Event().wait()
