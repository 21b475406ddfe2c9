// MeterMessage: the datagrams between the meter and the responders: a number, and in the answer the host's name too.

import QureCore

/// A question of the meter, or the answer to it.
package struct MeterMessage: Equatable, Sendable {
    /// Which meter asks, so that answers to another one are not taken for ours.
    package var run: UInt32
    /// Counts the meter's questions.
    package var sequence: UInt64
    /// Who answers; empty in a question.
    package var name: String

    private static let magic: UInt32 = 0x714c_6162

    /// A question, or with a name its answer.
    package init(run: UInt32, sequence: UInt64, name: String = "") {
        self.run = run
        self.sequence = sequence
        self.name = name
    }

    /// Reads a datagram; nil if it is something else.
    package init?(_ bytes: [UInt8]) {
        var input = WireReader(bytes)
        do {
            try input.expect(Self.magic, field: "magic")
            run = try input.read(field: "run")
            sequence = try input.read(field: "sequence")
        } catch { return nil }
        name = String(decoding: input.rest, as: UTF8.self)
    }

    /// The datagram.
    package var bytes: [UInt8] {
        var output = WireWriter()
        output.write(Self.magic)
        output.write(run)
        output.write(sequence)
        output.write(name.utf8)
        return output.bytes
    }
}
