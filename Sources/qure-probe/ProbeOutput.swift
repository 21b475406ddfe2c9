// What qure-probe prints: records as text and as JSON.

import QureCore

extension Record {
    /// The verdict about one address.
    static func verdict(_ address: IPAddress, _ report: Prober.Report, method: Method, interface: String?) -> Record {
        let took = report.roundTrip ?? .zero
        var words = ["\(address)", report.verdict.rawValue]
        switch report.verdict {
        case .alive:
            words.append(report.macs.first.map(\.description) ?? "-")
            words.append(report.isLocal ? "local" : took.text)
        case .silent, .unknown:
            words += ["\(report.probes)", report.probes == 1 ? "probe" : "probes", report.elapsed.wholeMilliseconds]
        }
        words += [method.rawValue, interface ?? "-"]
        if report.isDuplicate {
            words += ["duplicate", report.macs.dropFirst(report.isLocal ? 0 : 1).map(\.description).joined(separator: ",")]
        }
        let mac = report.verdict == .alive ? report.macs.first : nil
        return Record(
            words.joined(separator: " "),
            [
                ("address", .string("\(address)")), ("state", .string(report.verdict.rawValue)),
                ("method", .string(method.rawValue)), ("interface", interface.map { .string($0) } ?? .null),
                ("mac", mac.map { .string("\($0)") } ?? .null),
                ("rtt_us", report.roundTrip.map { .integer($0.microseconds) } ?? .null),
                ("probes", .integer(Int64(report.probes))), ("replies", .integer(Int64(report.replies))),
                ("duplicate", .boolean(report.isDuplicate)), ("local", .boolean(report.isLocal)),
                ("macs", .array(report.macs.map { .string("\($0)") })),
            ])
    }

    /// One address found by a scan.
    static func found(_ address: IPAddress, _ found: Scanner.Found, isLocal: Bool, method: Method, interface: String) -> Record {
        var report = Prober.Report(
            verdict: .alive, macs: found.macs, roundTrip: found.roundTrip, probes: 1, replies: 1, elapsed: .zero,
            isLocal: isLocal)
        if isLocal { report.roundTrip = nil }
        return verdict(address, report, method: method, interface: interface)
    }
}

extension Duration {
    /// Rounded to the millisecond: `600ms`.
    var wholeMilliseconds: String { "\((self + .microseconds(500)).milliseconds)ms" }
}
