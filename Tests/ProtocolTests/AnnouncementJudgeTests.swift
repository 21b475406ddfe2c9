// What a gateway announces, and when it means a look: the table of AnnouncementJudge row by row, with the numbers of
// RFC 6886 section 3.6 and RFC 6887 section 8.5.

import QureCore
import Testing

struct AnnouncementJudgeTests {
    private static func natPMP(_ epoch: UInt32, _ address: [UInt8] = [84, 1, 2, 3], result: UInt8 = 0) -> [UInt8] {
        [0, 0x80, 0, result] + (0..<4).reversed().map { UInt8(truncatingIfNeeded: epoch >> ($0 * 8)) } + address
    }
    private static func pcp(_ epoch: UInt32) -> [UInt8] {
        [2, 0x80, 0, 0, 0, 0, 0, 0] + (0..<4).reversed().map { UInt8(truncatingIfNeeded: epoch >> ($0 * 8)) }
            + [UInt8](repeating: 0, count: 12)
    }

    /// Announcements and the seconds when they come; whether the last one is news.
    private static let rows: [([(Int, [UInt8])], Bool)] = [
        ([(0, natPMP(0))], true),
        ([(0, pcp(0))], true),
        // The ten copies of RFC 6886 section 3.2.1.
        ([(0, natPMP(0)), (1, natPMP(1))], false),
        ([(0, natPMP(0)), (128, natPMP(128))], false),
        // Slow by an eighth and two seconds, and by more.
        ([(0, natPMP(1000)), (800, natPMP(1698))], false),
        ([(0, natPMP(1000)), (800, natPMP(1697))], true),
        ([(0, natPMP(1000)), (1, natPMP(0))], true),
        // Another address, none, and one again.
        ([(0, natPMP(0)), (1, natPMP(1, [84, 1, 2, 4]))], true),
        ([(0, natPMP(0)), (1, natPMP(1, result: 3))], true),
        ([(0, natPMP(0, result: 3)), (1, natPMP(1))], true),
        // Another protocol is another clock.
        ([(0, natPMP(0)), (1, pcp(1))], true),
        ([(0, natPMP(0)), (1, pcp(5)), (2, natPMP(2))], false),
        // A second back is nothing, two are a restart.
        ([(0, pcp(10)), (0, pcp(9))], false),
        ([(0, pcp(10)), (0, pcp(8))], true),
        // A sixteenth and two seconds, either way.
        ([(0, pcp(0)), (160, pcp(148))], false),
        ([(0, pcp(0)), (160, pcp(147))], true),
        ([(0, pcp(0)), (148, pcp(160))], false),
        ([(0, pcp(0)), (147, pcp(160))], true),
        ([(0, pcp(0)), (1, pcp(5000))], true),
        ([(0, pcp(.max)), (1, pcp(0))], true),
    ]

    @Test(arguments: rows)
    func `an announcement is news, or is not`(_ heard: [(Int, [UInt8])], _ areNews: Bool) throws {
        var judge = AnnouncementJudge()
        var last = false
        for (second, octets) in heard {
            last = judge.take(try GatewayAnnouncement(octets), at: Instant(nanoseconds: 1_000_000_000 * Int64(second)))
        }
        #expect(last == areNews)
    }
}
