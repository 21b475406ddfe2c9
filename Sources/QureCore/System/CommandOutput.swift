// CommandOutput: a command whose standard output is a result: it is collected, up to a few kilobytes, while the caller
// waits for other things, too. Used by qure-dnsupdate for commands that find an address.

import CLinux
import Glibc

/// A command that runs, and what it has said so far.
package struct CommandOutput: ~Copyable {
    private let child: ChildProcess
    private let pipe: FileDescriptor
    private var bytes: [UInt8] = []

    /// Octets that are kept; what comes behind them is read and forgotten.
    static let maximum = 4096
    /// Pieces that are taken in one go, so that a command that never stops talking does not keep its caller.
    private static let batch = 16

    /// Starts `command` by `sh -c`.
    package init(_ command: String) throws(SystemError) {
        var ends: [CInt] = [-1, -1]
        try check("pipe") { unsafe qure_pipe_cloexec(&ends) }
        let reading = FileDescriptor(owning: ends[0])
        let writing = FileDescriptor(owning: ends[1])
        try reading.setNonBlocking()
        child = try ChildProcess(command, output: writing.number)
        pipe = reading
    }

    /// Readable when the command has said something.
    package var outputDescriptor: CInt { pipe.number }
    /// Readable when it has ended.
    package var endDescriptor: CInt { child.descriptor }

    /// Takes what it has said, or the first part of much; false: it will say nothing more.
    package mutating func read() throws(SystemError) -> Bool {
        var buffer = [UInt8](repeating: 0, count: Self.maximum)
        let number = pipe.number
        for _ in 0..<Self.batch {
            let count = try checkReady("read", "command") {
                unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(number, $0.baseAddress, $0.count) }
            }
            guard let count else { return true }
            guard count > 0 else { return false }
            bytes += buffer.prefix(count).prefix(Self.maximum - bytes.count)
        }
        return true
    }

    /// How it ended; nil: it has not yet. Nothing may be asked of it after that but what it said.
    package func ending() -> ChildProcess.Ending? { child.ending() }

    /// Kills it and waits for its end.
    package func endAtOnce() { child.endAtOnce() }

    /// What it has said, as text.
    package var text: String { String(decoding: bytes, as: UTF8.self) }
}
