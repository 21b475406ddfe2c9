// Runs the independent witnesses of the system tests (ip, nft, ping, arping) and the tools under test, and waits for
// facts with a limit.

package import Glibc
import QureCore

/// What a program said and how it ended.
package struct CommandResult {
    /// The exit status, or 128 and the signal's number.
    package var status: Int
    /// Standard output and standard error, as they came.
    package var output: String
}

/// A program that has been started.
package struct RunningCommand {
    package let process: pid_t
    fileprivate let pipe: CInt

    /// Reads all that it says and waits for its end.
    package func finish() -> CommandResult {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(pipe, &buffer, buffer.count)
            if count > 0 { bytes += buffer.prefix(count) }
            if count == 0 || (count < 0 && errno != EINTR) { break }
        }
        close(pipe)
        var status: CInt = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        let signal = Int(status & 0x7f)
        return CommandResult(
            status: signal == 0 ? Int(status >> 8 & 0xff) : 128 + signal,
            output: String(decoding: bytes, as: UTF8.self))
    }
}

/// Starts a program found in PATH; its output waits in a pipe for `finish`.
package func start(_ arguments: [String]) -> RunningCommand {
    do {
        let pipe = try Pipe()
        let process = try spawn(
            arguments, SpawnStreams(output: pipe.writing.number, errors: pipe.writing.number), ownGroup: false)
        return RunningCommand(process: process, pipe: fcntl(pipe.reading.number, F_DUPFD_CLOEXEC, 0))
    } catch {
        preconditionFailure("cannot start \(arguments[0]): \(error)")
    }
}

/// Runs one line, split at spaces, to its end.
@discardableResult
package func run(_ line: String) -> CommandResult {
    start(line.split(separator: " ").map(String.init)).finish()
}

/// Runs one line that must succeed, as the preparation of a test; returns its output.
@discardableResult
package func must(_ line: String) -> String {
    let result = run(line)
    precondition(result.status == 0, "\(line): \(result.output)")
    return result.output
}

/// Runs a script in sh.
@discardableResult
package func shell(_ script: String) -> CommandResult { start(["sh", "-c", script]).finish() }

/// The bytes of a file of any size, such as an instrument writes.
package func contents(of path: String) throws -> [UInt8] {
    let file = FileDescriptor(owning: open(path, O_RDONLY | O_CLOEXEC))
    guard file.number >= 0 else { throw SystemError("open", path, errno: .current) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 20)
    while true {
        let count = read(file.number, &part, part.count)
        guard count >= 0 else { throw SystemError("read", path, errno: .current) }
        if count == 0 { return bytes }
        bytes += part.prefix(count)
    }
}

/// Whether `fact` becomes true before the limit; asks again every millisecond, so that it costs no fixed time.
package func eventually(within limit: Duration = .seconds(20), _ fact: () throws -> Bool) rethrows -> Bool {
    let deadline = Clock.now + limit
    while Clock.now < deadline {
        if try fact() { return true }
        usleep(1000)
    }
    return try fact()
}
