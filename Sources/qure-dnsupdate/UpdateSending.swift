// UpdateSending: an update on its way: the zone and its primary are found where the script does not name them, the
// update is sent, and what came back is judged.

import QureCore

extension ScriptRun {
    /// Sends the update that has been put together, and begins the next one.
    mutating func send() throws {
        defer { script.reset() }
        answer = nil
        if let zone = script.zone, !servers.isEmpty { return try sendUpdate(of: zone, to: servers) }
        guard let name = script.zone ?? script.firstName else { return }
        var search = ZoneSearch(name, script.recordClass, isNamed: script.zone != nil)
        while true {
            let message = try askForZone(search.question(isRecursive: servers.isEmpty))
            switch search.take(message) {
            case .ask: continue
            case .unsuccessful: throw Fatal(line: "response to SOA query was unsuccessful")
            case .nowhere: throw Fatal(line: "could not find enclosing zone")
            case .noSuchZone(let zone):
                complain("specified zone '\(zone.relativeDescription)' does not exist (NXDOMAIN)")
                hasFailed = true
                return
            case .found(let zone, let primary):
                if isDebugging {
                    complain("Found zone name: \(zone.relativeDescription)")
                    complain("The primary is: \(primary.relativeDescription)")
                }
                return try sendUpdate(of: zone, to: primary)
            }
        }
    }

    private mutating func sendUpdate(of zone: DomainName, to primary: DomainName) throws {
        guard servers.isEmpty else { return try sendUpdate(of: zone, to: servers) }
        let found = try book.endpoints(of: primary.description, port: options.port, by: &talk)
        guard !found.isEmpty else {
            complain("couldn't get address for '\(primary.relativeDescription)': not found")
            hasFailed = true
            return
        }
        try sendUpdate(of: zone, to: found)
    }

    /// The answer to a question for a zone. A server that was chosen is asked with the key, for it may show a zone to
    /// nobody else, and without where it does not take the key: what is found so is only where the update goes.
    private mutating func askForZone(_ question: DNSMessage) throws -> DNSMessage {
        let asked = servers.isEmpty ? book.resolvers : servers
        for key in servers.isEmpty ? [nil] : script.key.map({ [$0, nil] }) ?? [nil] {
            var exchange = DNSExchange(
                question, key: key, servers: asked, timing: options.timing, passesOver: [.refused])
            guard let answer = try run(&exchange) else { throw Fatal(line: "could not reach any name server") }
            if answer.rejection != nil {
                if isTracing { complain("retrying soa request without TSIG") }
                continue
            }
            if isDebugging { try show("Reply from SOA query:", answer.message, to: 2) }
            return answer.message
        }
        throw Fatal(line: "could not reach any name server")
    }

    /// Runs an exchange, and says what is to be said on the way.
    private mutating func run(_ exchange: inout DNSExchange, isUpdate: Bool = false) throws -> DNSExchange.Answer? {
        let isDebugging = isDebugging
        let isTracing = isTracing
        talk.local = script.local
        return try talk.run(&exchange) { event, exchange in
            switch event {
            case .failed(let server, let reason): complain("; Communication with \(server) failed: \(reason)")
            case .trace(let line): if isTracing { complain(line) }
            case .sending(let server):
                guard isDebugging, isUpdate else { return }
                complain("Sending update to \(server)")
                guard let query = exchange.query else { return }
                try OutputStream.writeAll(Array("Outgoing update query:\n\(query.updateText())".utf8), to: 1)
            }
        }
    }

    private mutating func sendUpdate(of zone: DomainName, to servers: [DNSEndpoint]) throws {
        let update = script.message(id: 0, zone: zone)
        guard DNSExchange.fits(update, key: script.key) else {
            throw Fatal(line: "the update is longer than a message can be (65535 octets): send it in parts")
        }
        var exchange = DNSExchange(
            update, key: script.key, servers: servers, timing: options.timing, usesStream: options.usesStream)
        guard let answer = try run(&exchange, isUpdate: true) else {
            hasFailed = true
            return
        }
        try judge(answer)
    }

    /// Says how an update went.
    private mutating func judge(_ answer: DNSExchange.Answer) throws {
        let message = answer.message
        self.answer = message
        let error = message.signature?.error ?? .noError
        if let why = answer.rejection?.nsupdateText(error) ?? (error == .noError ? nil : "tsig indicates error") {
            complain("; TSIG error with server: \(why)")
            hasFailed = true
        }
        if message.responseCode != .noError {
            hasFailed = true
            let detail = error == .noError ? "" : "(\(error.signatureDescription))"
            if !isDebugging { complain("update failed: \(message.responseCode)\(detail)") }
        }
        if isDebugging { try show("\nReply from update query:", message, to: 2) }
    }
}

extension TSIGSession.Rejection {
    /// What nsupdate says of an answer whose signature is not to be believed.
    fileprivate func nsupdateText(_ error: DNSResponseCode) -> String {
        switch self {
        case .unsigned, .unsignedTooLong: "expected a TSIG or SIG(0)"
        case .refused: "tsig indicates error"
        case .wrongTime: error == .badTime ? "tsig indicates error" : "clocks are unsynchronized"
        case .malformed, .unknownKey, .wrongCode, .shortCode: "tsig verify failure"
        }
    }
}
