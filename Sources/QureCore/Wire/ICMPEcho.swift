// ICMPEcho: echo request and reply of ICMP (RFC 792) and ICMPv6 (RFC 4443 section 4), the question of ping.
// The two differ in type numbers and in who computes the checksum: for ICMPv6 the kernel does, with its
// pseudo-header.

/// One echo request or reply.
package struct ICMPEcho: Equatable, Sendable, CustomStringConvertible {
    /// The two type numbers of a family.
    package struct Family: Equatable, Sendable {
        let request: UInt8
        let reply: UInt8
        /// ICMP for IPv4.
        package static let v4 = Family(request: 8, reply: 0)
        /// ICMPv6.
        package static let v6 = Family(request: 128, reply: 129)
    }

    /// Whether it is the answer.
    package var isReply: Bool
    /// Whose question it is; a ping socket's kernel side puts in its own.
    package var identifier: UInt16
    /// Which of its questions.
    package var sequence: UInt16
    /// What a reply brings back unchanged.
    package var payload: [UInt8]

    /// A request with this identifier and sequence number.
    package init(request identifier: UInt16, sequence: UInt16, payload: [UInt8] = []) {
        isReply = false
        self.identifier = identifier
        self.sequence = sequence
        self.payload = payload
    }

    /// Reads a message to its end. For IPv4 the checksum is checked; for IPv6 the kernel or `IPv6Packet` has done it.
    package init(parsing input: inout WireReader, family: Family) throws(WireError) {
        let start = input.offset
        var checksum = InternetChecksum()
        if family == .v4 { checksum.add(input.rest) }
        let type = try input.read(UInt8.self, field: "icmp.type")
        guard type == family.request || type == family.reply else {
            throw WireError(.unexpected, field: "icmp.type", offset: start)
        }
        isReply = type == family.reply
        try input.expect(UInt8(0), field: "icmp.code")
        try input.skip(count: 2, field: "icmp.checksum")
        identifier = try input.read(field: "icmp.identifier")
        sequence = try input.read(field: "icmp.sequence")
        payload = try input.read(count: input.remaining, field: "icmp.payload")
        guard family == .v6 || checksum.value == 0 else {
            throw WireError(.checksum, field: "icmp.checksum", offset: start + 2)
        }
    }

    /// Appends the message; the checksum of an ICMPv6 one is left zero for the kernel.
    package func write(to output: inout WireWriter, family: Family) {
        var message = WireWriter()
        message.write(isReply ? family.reply : family.request)
        message.write(UInt8(0))
        message.write(UInt16(0))
        message.write(identifier)
        message.write(sequence)
        message.write(payload)
        if family == .v4 {
            var checksum = InternetChecksum()
            checksum.add(message.bytes)
            message.patch(checksum.value, at: 2)
        }
        output.write(message.bytes)
    }

    package var description: String { "echo \(isReply ? "reply" : "request") id \(identifier) seq \(sequence)" }
}
