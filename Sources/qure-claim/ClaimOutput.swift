// What qure-claim's daemons tell: records on standard output, as text and as JSON. They never wait for a reader; one
// that has gone away is told once and fails the exit status, but it is no reason to take a site off the net.

import QureCore

/// The records of one claim.
struct ClaimOutput {
    private let writer: RecordWriter
    private let interface: String
    /// Whether standard output has failed.
    private(set) var hasFailed = false

    /// Records about addresses on the named interface.
    init(json: Bool, interface: String) {
        writer = RecordWriter(json: json)
        self.interface = interface
    }

    /// Tells that `address` is in a state: one word, then whatever else there is to say.
    /// Returns why standard output failed, the first time that it does.
    mutating func tell(
        _ address: IPAddress, _ state: String, _ detail: String = "", mac: MACAddress? = nil, time: Duration? = nil
    ) -> SystemError? {
        guard !hasFailed else { return nil }
        let words = ["\(address)", state, detail, interface].filter { !$0.isEmpty }
        let record = Record(
            words.joined(separator: " "),
            [
                ("address", .string("\(address)")), ("state", .string(state.hasSuffix(",") ? "unverified" : state)),
                ("interface", .string(interface)),
                ("mac", mac.map { .string("\($0)") } ?? .null),
                ("time_us", time.map { .integer($0.microseconds) } ?? .null),
                ("detail", detail.isEmpty ? .null : .string(detail)),
            ])
        do {
            try writer.writeNow(record)
            return nil
        } catch {
            hasFailed = true
            return error
        }
    }
}

extension Duration {
    /// For people: `12 ms`, `0.4 ms`, `3.2 s`.
    var spoken: String {
        let tenths = (microseconds + 50) / 100
        if tenths >= 10_000 { return "\(tenths / 10_000).\(tenths / 1000 % 10) s" }
        return tenths >= 100 ? "\((tenths + 5) / 10) ms" : "\(tenths / 10).\(tenths % 10) ms"
    }
}

extension Verifier.Result {
    /// What `show` and the records say.
    func text(_ gateway: IPAddress) -> String {
        switch self {
        case .verified(let time): "verified after \(time.spoken)"
        case .unverified(.gatewaySilent): "not verified: the gateway \(gateway) does not answer on this link"
        case .unverified(.nothingArrives):
            "not verified: no packet of the gateway \(gateway) arrives here; "
                + "it may ignore gratuitous ARP or have a fixed entry"
        }
    }
}
