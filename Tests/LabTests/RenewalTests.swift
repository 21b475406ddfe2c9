// What a master writes of its renewals while its heartbeats renew the lease in the kernel (Renewals.swift of
// qure-elect): a line every two seconds, and one for each heartbeat again where that can no longer be relied upon. That
// the follower sleeps meanwhile is a test of the election's. The stream is seen as `qure-elect watch` shows it.

import Glibc
import Lab
import QureCore
import Testing

/// A lone master whose renewals are counted.
private final class CountedMaster {
    let lab: Lab
    let cluster: Cluster
    private var watch: LabProcess
    private static let interval = Duration.milliseconds(100)

    init(hosts: Int = 1, tolerance: Duration = .milliseconds(200)) throws {
        lab = try Lab(hosts: hosts)
        cluster = try Cluster(lab, interval: Self.interval, tolerance: tolerance)
        try cluster.start(1)
        watch = try Self.watch(cluster)
    }

    private static func watch(_ cluster: Cluster) throws -> LabProcess {
        #expect(eventually { cluster.isMaster(1) }, "\(cluster.said)")
        return try cluster.watch(1)
    }

    /// Starts it anew.
    func restart() throws {
        cluster.stop(1)
        try cluster.start(1)
        watch = try Self.watch(cluster)
    }

    private static func value(_ key: String, _ line: Substring) -> Substring? {
        line.split(separator: " ").first { $0.hasPrefix("\(key)=") }?.dropFirst(key.count + 1)
    }

    /// The renewals so far: which heartbeat each of them is of.
    var renewals: [Instant] {
        watch.lines.filter { $0.hasPrefix("alive ") }.compactMap { line in
            Self.value("at", line).flatMap { Int64($0) }.map { Instant(nanoseconds: $0) }
        }
    }

    /// What followers are told about the heartbeats now.
    var heartbeat: String { watch.lines.last.flatMap { Self.value("heartbeat", $0) }.map(String.init) ?? "" }

    private func gaps(after start: Instant) -> [Duration] {
        let moments = renewals.filter { $0 > start }
        return zip(moments.dropFirst(), moments).map { $0 - $1 }
    }

    /// Whether the heartbeats go without lines: there is one every two seconds.
    func isQuiet(after start: Instant = Instant(nanoseconds: 0)) -> Bool {
        let gaps = gaps(after: start)
        return gaps.count >= 2 && gaps.suffix(2).allSatisfy { $0 > Self.interval * 8 }
    }

    /// Whether so many heartbeats in a row have had a line each.
    func isForEach(_ count: Int, after start: Instant) -> Bool {
        gaps(after: start).split { $0 > Self.interval * 4 }.contains { $0.count >= count }
    }

    var said: String { "\(watch.output)\(cluster.said)" }
}

extension InTheLab {
    @Suite(.timeLimit(.minutes(3)))
    struct RenewalLines {
        @Test func `a heartbeat that was late has a line, and so has the next one`() throws {
            let master = try CountedMaster(tolerance: .seconds(4))
            #expect(eventually { master.isQuiet() }, "\(master.said)")
            let elector = try #require(master.lab.host(1).processes(named: "qure-elect").first)
            let start = Clock.now
            kill(elector, SIGSTOP)
            usleep(2_200_000)  // longer than the interval and what the lease leaves beside it, less than the lease
            kill(elector, SIGCONT)
            #expect(eventually(within: .seconds(5)) { master.isForEach(1, after: start) }, "\(master.said)")
            #expect(eventually { master.isQuiet(after: start) }, "\(master.said)")
            #expect(!master.said.contains("no longer master"), "\(master.said)")
        }

        @Test func `what the kernel does not do is done by lines, one for each heartbeat`() throws {
            let master = try CountedMaster()
            #expect(eventually { master.isQuiet() }, "\(master.said)")
            let table = "netdev qure-claim-\(Lab.Plan.address)"
            var start = Clock.now
            try master.lab.host(1).must("nft flush chain \(table) egress")
            // It asks the kernel anew every two seconds, and must not believe that all is well.
            #expect(eventually { master.isForEach(25, after: start) }, "\(master.said)")
            // The follower makes a table anew that is not there.
            start = Clock.now
            try master.lab.host(1).must("nft delete table \(table)")
            #expect(eventually { master.isQuiet(after: start) }, "\(master.said)")
            #expect(try master.lab.host(1).has(Lab.Plan.address), "\(master.said)")
        }

        @Test func `under a new session followers are told of the new heartbeats`() throws {
            let master = try CountedMaster(hosts: 2)
            // A copy of the machine has its number. Of the two the one takes another number, and with it another
            // session, whose session is the lower one: each time that may be either.
            var isCloned = false, before = ""
            for _ in 1...20 where !isCloned {
                #expect(eventually { master.isQuiet() }, "\(master.said)")
                before = master.heartbeat
                master.cluster.copyMemory(of: 1, to: 2)
                try master.cluster.start(2)
                let sign = "another machine has this member's number"
                #expect(eventually { master.cluster.said.contains(sign) }, "\(master.said)")
                isCloned = master.cluster.said(by: 1).contains(sign)
                if isCloned { break }
                master.cluster.stop(2)
                try master.restart()
            }
            try #require(isCloned, "\(master.said)")
            let start = Clock.now
            master.cluster.stop(2)
            #expect(eventually { master.cluster.isMaster(1) }, "\(master.said)")
            #expect(eventually { master.isQuiet(after: start) }, "\(master.said)")
            #expect(master.heartbeat != "" && master.heartbeat != before, "\(master.said)")
        }
    }
}
