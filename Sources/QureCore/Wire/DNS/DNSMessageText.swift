// Messages for people: one line for a trace, and the whole as dig prints it, which is also how nsupdate shows updates.

extension DNSMessage: CustomStringConvertible {
    /// One line: `query 4660 rd www.example. IN AAAA`, `answer 4660 NXDOMAIN qr aa www.example. IN A 0/1/0`.
    package var description: String {
        var parts = [flags.contains(.response) ? "answer" : "query", String(id)]
        if opcode != .query { parts.append(opcode.description) }
        if flags.contains(.response) { parts.append(responseCode.description) }
        parts += flags.names
        parts += questions.map(\.description)
        if !answers.isEmpty || !authorities.isEmpty || !additionals.isEmpty {
            parts.append("\(answers.count)/\(authorities.count)/\(additionals.count)")
        }
        if let signature { parts.append("signed by \(signature.keyName)") }
        return parts.joined(separator: " ")
    }

    /// Lines as dig prints a message: header, pseudo-sections, sections, an empty line in front of each; without the
    /// statistics at the end.
    package var text: String { header(String(id), counts, question: "QUERY") + blocks.map { "\n" + $0 }.joined() }

    /// Lines as nsupdate's `show` and `answer` print a message: an empty line behind each section, and a wide ID. Of a
    /// message that has not been sent nsupdate has counted nothing yet, and its zeros are there for who compares.
    package func updateText(isSent: Bool = true) -> String {
        let digits = String(id)
        let padding = String(repeating: " ", count: max(0, 6 - digits.utf8.count))
        return header(padding + digits, isSent ? counts : [0, 0, 0, 0], question: "QUESTION")
            + blocks.map { $0 + "\n" }.joined()
    }

    private var counts: [Int] {
        let extra = (edns == nil ? 0 : 1) + (signature == nil ? 0 : 1)
        return [questions.count, answers.count, authorities.count, additionals.count + extra]
    }

    private func header(_ id: String, _ counts: [Int], question: String) -> String {
        let flags = flags.names.map { " " + $0 }.joined()
        let names = DNSSection.allCases.map { $0.countName(opcode) }.map { $0 == "QUERY" ? question : $0 }
        let list = zip(names, counts).map { "\($0): \($1)" }.joined(separator: ", ")
        return ";; ->>HEADER<<- opcode: \(opcode), status: \(responseCode), id: \(id)\n;; flags:\(flags); \(list)\n"
    }

    /// The sections that are not empty. As in dig, the question follows the OPT at once.
    private var blocks: [String] {
        var first = edns.map { ";; OPT PSEUDOSECTION:\n\($0.text)" } ?? ""
        if !questions.isEmpty {
            first += ";; \(DNSSection.question.heading(opcode)):\n"
            for question in questions { first += ";\(question.text)\n" }
        }
        var blocks = first.isEmpty ? [] : [first]
        for (section, records) in [
            (DNSSection.answer, answers), (.authority, authorities), (.additional, additionals),
        ] where !records.isEmpty {
            blocks.append(";; \(section.heading(opcode)):\n" + records.map { $0.text + "\n" }.joined())
        }
        if let signature { blocks.append(";; TSIG PSEUDOSECTION:\n\(signature.text)\n") }
        return blocks
    }
}

extension DNSMessage.Flags {
    /// The names of those that are set, in dig's order.
    package var names: [String] {
        let all: [(DNSMessage.Flags, String)] = [
            (.response, "qr"), (.authoritative, "aa"), (.truncated, "tc"), (.recursionDesired, "rd"),
            (.recursionAvailable, "ra"), (.authenticated, "ad"), (.checkingDisabled, "cd"),
        ]
        return all.filter { contains($0.0) }.map(\.1)
    }
}

extension EDNS {
    /// The lines of dig's pseudo-section.
    package var text: String {
        var text = "; EDNS: version: \(version), flags:\(wantsSecurity ? " do" : "")"
        if flags & 0x7fff != 0 { text += "; MBZ: 0x" + Self.hexadecimal(flags & 0x7fff) }
        text += "\(flags & 0x7fff == 0 ? ";" : ",") udp: \(payloadSize)\n"
        for option in options() { text += "; \(Self.text(option))\n" }
        return text
    }

    private static func hexadecimal(_ number: UInt16) -> String {
        UInt8(number >> 8).hexadecimal + UInt8(truncatingIfNeeded: number).hexadecimal
    }

    private static func text(_ option: Option) -> String {
        let digits = option.data.map(\.hexadecimal)
        switch option.code {
        case .cookie: return "COOKIE: \(digits.joined())"
        case .padding: return "PAD: (\(option.data.count) bytes)"
        case .extendedError where option.data.count >= 2:
            let code = option.data.prefix(2).reduce(0) { $0 << 8 | UInt16($1) }
            let name = Int(code) < ExtendedError.names.count ? " (\(ExtendedError.names[Int(code)]))" : ""
            let text = option.data.dropFirst(2)
            return "EDE: \(code)\(name)" + (text.isEmpty ? "" : ": (\(printable(text)))")
        case .updateLease where option.data.count == 4 || option.data.count == 8:
            let seconds = option.data.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
            let keySeconds = option.data.dropFirst(4).reduce(0) { $0 << 8 | UInt32($1) }
            return "UPDATE-LEASE: \(seconds)" + (option.data.count == 8 ? " \(keySeconds)" : "")
        default:
            let text = digits.isEmpty ? "" : " \(digits.joined(separator: " ")) (\"\(printable(option.data))\")"
            return "OPT=\(option.code.rawValue):\(text)"
        }
    }

    /// Dots for what a terminal should not be sent.
    private static func printable(_ octets: ArraySlice<UInt8>) -> String {
        String(decoding: octets.map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: ".") }, as: UTF8.self)
    }
}

extension ExtendedError {
    /// The purposes of RFC 8914 section 4, by their codes.
    fileprivate static let names = [
        "Other", "Unsupported DNSKEY Algorithm", "Unsupported DS Digest Type", "Stale Answer", "Forged Answer",
        "DNSSEC Indeterminate", "DNSSEC Bogus", "Signature Expired", "Signature Not Yet Valid", "DNSKEY Missing",
        "RRSIGs Missing", "No Zone Key Bit Set", "NSEC Missing", "Cached Error", "Not Ready", "Blocked", "Censored",
        "Filtered", "Prohibited", "Stale NXDOMAIN Answer", "Not Authoritative", "Not Supported",
        "No Reachable Authority", "Network Error", "Invalid Data",
    ]
}

extension TSIGRecord {
    /// The line that dig prints.
    package var text: String {
        var line = TabbedText(keyName.description)
        line.append("0", column: 24)
        line.append("ANY", column: 32)
        line.append("TSIG", column: 40)
        let code = BinaryText.base64.text(code)
        var data = "\(algorithm) \(timeSigned) \(fudge) \(self.code.count) "
        data += self.code.isEmpty ? "" : String(decoding: code, as: UTF8.self) + " "
        // The blank is there without other data, too.
        data += "\(originalID) \(error.signatureDescription) \(otherData.count) "
        data += String(decoding: BinaryText.base64.text(otherData), as: UTF8.self)
        line.append(data, column: 48)
        return line.text
    }
}
