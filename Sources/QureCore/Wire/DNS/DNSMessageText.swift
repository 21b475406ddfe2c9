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

    /// Lines as dig prints a message: header, pseudo-sections, sections, each behind an empty line; without the
    /// statistics at the end.
    package var text: String {
        var text = ";; ->>HEADER<<- opcode: \(opcode), status: \(responseCode), id: \(id)\n;; flags:"
        for name in flags.names { text += " \(name)" }
        let extra = (edns == nil ? 0 : 1) + (signature == nil ? 0 : 1)
        let counts = [questions.count, answers.count, authorities.count, additionals.count + extra]
        let list = zip(DNSSection.allCases, counts).map { "\($0.countName(opcode)): \($1)" }
        text += "; \(list.joined(separator: ", "))\n"
        if let edns { text += "\n;; OPT PSEUDOSECTION:\n\(edns.text)" }
        if !questions.isEmpty {
            text += "\n;; \(DNSSection.question.heading(opcode)):\n"
            for question in questions { text += ";\(question.text)\n" }
        }
        for (section, records) in [
            (DNSSection.answer, answers), (.authority, authorities), (.additional, additionals),
        ] where !records.isEmpty {
            text += "\n;; \(section.heading(opcode)):\n"
            for record in records { text += "\(record.text)\n" }
        }
        if let signature { text += "\n;; TSIG PSEUDOSECTION:\n\(signature.text)\n" }
        return text
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
        case .updateLease: return "UPDATE-LEASE: \(digits.joined())"
        case .padding: return "PAD (\(option.data.count) bytes)"
        case .extendedError where option.data.count >= 2:
            let code = option.data.prefix(2).reduce(0) { $0 << 8 | UInt16($1) }
            var text: [UInt8] = []
            for octet in option.data.dropFirst(2) {
                text.appendEscaped(octet, special: RecordData.specialWhenQuoted, blanks: true)
            }
            return "EDE: \(code)" + (text.isEmpty ? "" : ": (\(String(decoding: text, as: UTF8.self)))")
        default: return "OPT=\(option.code.rawValue): \(digits.joined(separator: " "))"
        }
    }
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
        data += "\(originalID) \(error.signatureDescription) \(otherData.count)"
        if !otherData.isEmpty { data += " " + String(decoding: BinaryText.base64.text(otherData), as: UTF8.self) }
        line.append(data, column: 48)
        return line.text
    }
}
