// What qure-probe prints: records as text and as JSON.

import QureCore

extension Record {
    /// The verdict about one address.
    static func verdict(_ address: IPAddress, _ report: Prober.Report, method: Method, link: Link?) -> Record {
        let own = report.isLocal ? link?.mac : nil
        let mac = report.verdict == .alive ? report.macs.first ?? own : nil
        var words = ["\(address)", report.verdict.rawValue]
        switch report.verdict {
        case .alive:
            words.append(mac.map(\.description) ?? "-")
            words.append(report.isLocal ? "local" : (report.roundTrip ?? .zero).text)
        case .silent, .unknown:
            words += ["\(report.probes)", report.probes == 1 ? "probe" : "probes", report.elapsed.wholeMilliseconds]
        }
        words += [method.rawValue, link?.name ?? "-"]
        if report.isDuplicate {
            words += ["duplicate", report.macs.dropFirst(report.isLocal ? 0 : 1).map(\.description).joined(separator: ",")]
        }
        return Record(
            words.joined(separator: " "),
            [
                ("address", .string("\(address)")), ("state", .string(report.verdict.rawValue)),
                ("method", .string(method.rawValue)), ("interface", (link?.name).map { .string($0) } ?? .null),
                ("mac", mac.map { .string("\($0)") } ?? .null),
                ("rtt_us", report.roundTrip.map { .integer($0.microseconds) } ?? .null),
                ("probes", .integer(Int64(report.probes))), ("replies", .integer(Int64(report.replies))),
                ("duplicate", .boolean(report.isDuplicate)), ("local", .boolean(report.isLocal)),
                ("macs", .array(report.macs.map { .string("\($0)") })),
            ])
    }
}

extension Duration {
    /// Rounded to the millisecond: `600ms`.
    var wholeMilliseconds: String { "\((self + .microseconds(500)).milliseconds)ms" }
}
