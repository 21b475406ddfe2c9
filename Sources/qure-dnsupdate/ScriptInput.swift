// ScriptInput: a script line by line, from a file or from standard input; at a terminal with a prompt.

import Glibc
import QureCore

/// The lines of a script.
struct ScriptInput: ~Copyable {
    private let file: FileDescriptor?
    private let descriptor: CInt
    private var held: [UInt8] = []
    private var position = 0
    private var hasEnded = false
    /// Whether somebody is to be asked for each line.
    let isTerminal: Bool

    /// The script in a file, or standard input.
    init(_ name: String?) throws(SystemError) {
        if let name {
            let file = FileDescriptor(
                owning: try check("open", name) { Glibc.open(name, O_RDONLY | O_CLOEXEC) })
            descriptor = file.number
            self.file = consume file
        } else {
            descriptor = STDIN_FILENO
            file = nil
        }
        isTerminal = isatty(descriptor) == 1
    }

    /// The next line without its end; nil at the end of the script. A line that is too long is cut off behind that, so
    /// that it is found to be.
    mutating func next() throws -> [UInt8]? {
        if isTerminal { try OutputStream.writeAll(Array("> ".utf8), to: 1) }
        while true {
            if let newline = held[position...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { position = newline + 1 }
                return Array(held[position..<newline])
            }
            held.removeFirst(position)
            position = 0
            if hasEnded || held.count > UpdateScript.maximumLine {
                defer { held = [] }
                return held.isEmpty ? nil : held
            }
            try fill()
        }
    }

    private mutating func fill() throws(SystemError) {
        var part = [UInt8](repeating: 0, count: 16384)
        let descriptor = descriptor
        let count = try check("read", "the script") {
            part.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        }
        hasEnded = count == 0
        held += part.prefix(count)
    }
}
