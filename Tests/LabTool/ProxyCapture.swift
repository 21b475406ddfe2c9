// ProxyCapture: tcpdump as an instrument: when each query came to a server, and when its answer went, by the kernel's
// stamps. Who asks sees the answer only when he is awake himself, which takes as long as the answer did; the kernel
// stamps a datagram where it is sent, on the processor of its sender.
//
// What it costs is the same for every server: a filter and a copy of a few bytes for each datagram, a microsecond or
// less. tcpdump itself has the asking processor, when nobody else wants it; its memory has room for all that passes
// meanwhile.

import Glibc
import Lab
import QureCore

/// A capture of all that servers are asked and answer.
struct ProxyCapture {
    private static let file = "\(ProxySite.folder)/capture"
    private static let servers = ProxySite.Kind.allCases.map(\.port)
    /// The port behind theirs, where nobody is.
    private static let nobody = (servers.max() ?? 0) + 1

    private let process: LabProcess

    /// Begins; when this returns, nothing is missed any more.
    init() throws {
        // A datagram over the loopback interface passes twice, out of it and into it. Kilobytes of memory: 400 000
        // datagrams. As root of a user namespace with one user, tcpdump cannot become another and would end.
        let options = "tcpdump -Z root -i lo -nn -B 65536 -s \(CaptureFile.frameLength) --time-stamp-precision nano"
        let range = "\(Self.servers.min() ?? 0)-\(Self.nobody)"
        process = try LabProcess(
            ProxySite.behind(ProxySite.asking) + options.split(separator: " ").map(String.init)
                + ["-w", Self.file, "inbound and udp portrange \(range)"])
        guard eventually({ process.errors.contains("listening on") }) else {
            throw LabError("tcpdump does not listen: \(process.errors)")
        }
        // What may have come before the kernel had the filter, tcpdump's library filters once more: the first block. It
        // cannot tell a direction from the bytes, and takes none of it.
        guard try fill(until: 1) else { throw LabError("tcpdump sees nothing: \(process.errors)") }
    }

    /// Ends, and tells what was seen.
    func finish() throws -> AnswerTally {
        let isComplete = try fill(until: figures().received), dropped = try figures().dropped
        process.send(SIGINT)
        guard process.wait() == 0, isComplete, dropped == 0 else {
            throw LabError("tcpdump has not seen all: \(process.errors)")
        }
        var tally = AnswerTally(servers: Self.servers.map { UInt16($0) })
        try tally.take(CaptureFile(contents(of: Self.file)))
        return tally
    }

    /// Sends datagrams to nobody until tcpdump has written so many in all: the kernel hands them over by blocks of two
    /// thousand, and what waits in the last one would have to wait for a second, or be lost with tcpdump's end.
    private func fill(until count: Int) throws -> Bool {
        let endpoint = DNSEndpoint(.v4(IPv4Address(rawValue: INADDR_LOOPBACK)), port: UInt16(Self.nobody))
        var socket = try DNSSocket(to: endpoint, from: nil, isStream: false)
        return try eventually {
            // Every other one fails and tells that nobody is there.
            for _ in 0..<2000 { try? socket.send([0, 0]) }
            return try figures().captured >= count
        }
    }

    /// What tcpdump has written, what the kernel has seen and what it had no room for, until now:
    /// `tcpdump: 5000 packets captured, 5000 packets received by filter, 0 packets dropped by kernel`
    private func figures() throws -> (captured: Int, received: Int, dropped: Int) {
        var lines: [Substring] { process.errors.split(separator: "\n").filter { $0.hasSuffix("by kernel") } }
        let count = lines.count
        process.send(SIGUSR1)
        guard eventually({ lines.count > count }), let line = lines.last else {
            throw LabError("tcpdump does not tell its figures: \(process.errors)")
        }
        let numbers = line.split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 3 else { throw LabError("tcpdump: \(line)") }
        return (numbers[0], numbers[1], numbers[2])
    }
}

extension ProxyLatency {
    /// How long a server's answers took, by the kernel's stamps.
    init(_ queries: [AnswerTally.Query]) throws {
        // A clock that somebody has set meanwhile tells nothing.
        guard queries.allSatisfy({ $0.wait ?? 0 >= 0 }) else { throw LabError("an answer before its query") }
        self.init(queries.map { query in query.wait.map { Double($0) / 1000 } ?? Self.endless })
    }
}
