// The tools under test: where their executables are, and a run of one whose standard output and standard error are
// looked at apart from each other, also while it runs. Both go to files without a name, so that a tool that says a lot
// never waits for the test.

package import Glibc
import QureCore

/// Where the executables are.
package enum Executables {
    /// The directory: QURE_BIN, or else the one that the running executable (a test bundle, or a tool) is in itself.
    package static let directory = Toolbox.directories[0]

    /// The path of the executable of this name.
    package static func path(_ name: String) -> String {
        let path = directory + "/" + name
        precondition(access(path, X_OK) == 0, "\(path) is not there: build it, or set QURE_BIN")
        return path
    }
}

/// How a tool ended and what it said.
package struct ToolResult: Equatable {
    /// The exit status, or 128 and the signal's number.
    package var status: Int
    package var output: String
    package var errors: String

    /// A result to compare with.
    package init(_ status: Int, _ output: String = "", errors: String = "") {
        self.status = status
        self.output = output
        self.errors = errors
    }
}

/// A tool, or any other program, that runs.
package final class RunningTool {
    package let process: pid_t
    private let files: [CInt]
    private var ended: Int?

    /// Starts a program: a name of PATH or a path. Its input is `input`; its output goes to the file `outputPath` if
    /// given. `namespace` is the name of a network namespace to run in.
    package init(
        _ arguments: [String], in namespace: String? = nil, input: String = "/dev/null", outputPath: String? = nil
    ) {
        let words = (namespace.map { ["ip", "netns", "exec", $0] } ?? []) + arguments
        files = [Self.unnamedFile(), Self.unnamedFile()]
        let ends = [open(input, O_RDONLY | O_CLOEXEC), outputPath.map { open($0, O_WRONLY | O_CLOEXEC) } ?? -1]
        defer { for end in ends where end >= 0 { close(end) } }
        let streams = SpawnStreams(input: ends[0], output: outputPath == nil ? files[0] : ends[1], errors: files[1])
        do { process = try spawn(words, streams, ownGroup: false) } catch {
            preconditionFailure("cannot start \(words[0]): \(error)")
        }
    }

    deinit {
        if ended == nil { _ = end(with: SIGKILL) }
        for file in files { close(file) }
    }

    private static func unnamedFile() -> CInt {
        var name = Array("/tmp/qure-test-XXXXXX".utf8CString)
        let file = mkstemp(&name)
        precondition(file >= 0, "no file can be made in /tmp")
        _ = fcntl(file, F_SETFD, FD_CLOEXEC)
        unlink(name)
        return file
    }

    /// What it has said on standard output so far.
    package var output: String { Self.content(files[0]) }
    /// What it has said on standard error so far.
    package var errors: String { Self.content(files[1]) }

    private static func content(_ file: CInt) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = pread(file, &buffer, buffer.count, bytes.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer.prefix(count)
        }
    }

    /// Whether it has not ended yet.
    package var isRunning: Bool { reap(WNOHANG) == nil }

    private func reap(_ options: CInt) -> Int? {
        if let ended { return ended }
        var status: CInt = 0
        var reaped: pid_t
        repeat { reaped = waitpid(process, &status, options) } while reaped < 0 && errno == EINTR
        guard reaped == process else { return nil }
        let signal = Int(status & 0x7f)
        ended = signal == 0 ? Int(status >> 8 & 0xff) : 128 + signal
        return ended
    }

    /// Sends it a signal, which `finish` or `end` waits for the effect of.
    package func signal(_ number: CInt) { if ended == nil { kill(process, number) } }

    /// Waits for its end; after the limit it is killed (status 137).
    package func finish(within limit: Duration = .seconds(20)) -> ToolResult {
        if !eventually(within: limit, { !isRunning }) { signal(SIGKILL) }
        let status = reap(0) ?? -1
        return ToolResult(status, output, errors: errors)
    }

    /// Sends it a signal and waits for its end.
    package func end(with number: CInt = SIGTERM) -> ToolResult {
        signal(number)
        return finish()
    }

    /// Waits until it has said `text` on standard output.
    package func says(_ text: String, within limit: Duration = .seconds(10)) -> Bool {
        eventually(within: limit) { output.contains(text) || !isRunning } && output.contains(text)
    }

    /// Waits until it has said `text` on standard error.
    package func complains(_ text: String, within limit: Duration = .seconds(10)) -> Bool {
        eventually(within: limit) { errors.contains(text) || !isRunning } && errors.contains(text)
    }
}
