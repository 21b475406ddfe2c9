// StreamMessages: messages of the DNS in a stream, each with its length in front (RFC 1035 section 4.2.2).

/// What has come of a stream.
package struct StreamMessages: Sendable {
    private var held: [UInt8] = []

    /// Nothing has come yet.
    package init() {}

    /// A message with its length in front.
    package static func frame(_ message: [UInt8]) -> [UInt8] {
        var output = WireWriter()
        output.write(UInt16(message.count))
        output.write(message)
        return output.bytes
    }

    /// Takes what has come and gives back the messages that are whole now.
    package mutating func take(_ octets: some Collection<UInt8>) -> [[UInt8]] {
        held += octets
        var messages: [[UInt8]] = []
        var start = 0
        while held.count - start >= 2 {
            let end = start + 2 + (Int(held[start]) << 8 | Int(held[start + 1]))
            guard end <= held.count else { break }
            messages.append(Array(held[(start + 2)..<end]))
            start = end
        }
        held.removeFirst(start)
        return messages
    }
}
