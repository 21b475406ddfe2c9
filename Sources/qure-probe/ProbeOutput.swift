// What qure-probe prints: records as text and as JSON.

import QureCore

extension Record {
    /// The verdict about one address.
    static func verdict(_ address: IPAddress, _ report: Prober.Report, method: Method, link: Link?) -> Record {
        let own = report.isLocal ? link?.mac : nil
        let holders = report.verdict == .alive ? (own.map { [$0] } ?? []) + report.macs : []
        let mac = holders.first
        var text = "\(address) \(report.verdict.rawValue)"
        switch report.verdict {
        case .alive:
            let time = report.isLocal ? "local" : report.roundTrip?.text ?? "-"
            text += " \(mac.map(\.description) ?? "-") \(time)"
        case .silent, .unknown:
            text += " \(report.probes) \(report.probes == 1 ? "probe" : "probes") \(report.elapsed.wholeMilliseconds)"
        }
        text += " \(method.rawValue) \(link?.name ?? "-")"
        if report.isDuplicate { text += " duplicate \(holders.dropFirst().map(\.description).joined(separator: ","))" }
        return Record(
            text,
            [
                ("address", .string("\(address)")), ("state", .string(report.verdict.rawValue)),
                ("method", .string(method.rawValue)), ("interface", (link?.name).map { .string($0) } ?? .null),
                ("mac", mac.map { .string("\($0)") } ?? .null),
                ("rtt_us", report.roundTrip.map { .integer($0.microseconds) } ?? .null),
                ("probes", .integer(Int64(report.probes))), ("replies", .integer(Int64(report.replies))),
                ("duplicate", .boolean(report.isDuplicate)), ("local", .boolean(report.isLocal)),
                ("macs", .array(holders.map { .string("\($0)") })),
            ])
    }
}

extension Duration {
    /// Rounded to the millisecond: `600ms`.
    var wholeMilliseconds: String { "\((self + .microseconds(500)).milliseconds)ms" }
}
