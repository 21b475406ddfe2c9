// LabProcess: a program that goes on while the test does: what it has said so far, whether it still runs, how it ended.
// Its standard output and standard error are kept apart, because what qure's tools say on which is part of their
// contract. A program that is still running when its LabProcess goes is killed.

import CLinux
import Glibc
import QureCore

/// A program that was started in the lab.
package final class LabProcess {
    /// Its process id; `ip netns exec` replaces itself, so that in a host too this is the program itself.
    package let pid: CInt
    /// The command line, for messages.
    package let command: String
    private let outputPipe: FileDescriptor
    private let errorPipe: FileDescriptor
    private var outputBytes: [UInt8] = []
    private var errorBytes: [UInt8] = []
    private var status: Int?
    private var isLeftAlone = false

    /// Starts `arguments`, the first of which is a path or is found in the lab's PATH. `input`: a descriptor for
    /// standard input, which stays the caller's; none: /dev/null.
    package init(_ arguments: [String], input: CInt? = nil, environment: [String: String] = [:]) throws {
        let output = try Pipe(), errors = try Pipe()
        pid = try spawn(
            arguments, SpawnStreams(input: input, output: output.writing.number, errors: errors.writing.number),
            environment: environment, ownGroup: true)
        command = arguments.joined(separator: " ")
        outputPipe = output.reading
        errorPipe = errors.reading
        // Room for a program that says much while nobody looks; it must not be stopped by its own talk.
        setPipeSize(outputPipe.number, 1 << 20)
        setPipeSize(errorPipe.number, 1 << 20)
        try outputPipe.setNonBlocking()
        try errorPipe.setNonBlocking()
    }

    deinit {
        guard !isLeftAlone, isRunning else { return }
        kill(pid, SIGKILL)
        var ignored: CInt = 0
        while waitpid(pid, &ignored, 0) < 0 && errno == EINTR {}
    }

    /// Lets it go on when this value goes.
    package func leaveAlone() { isLeftAlone = true }

    /// The end of its standard output that is read here, for a poller.
    package var descriptor: CInt { outputPipe.number }

    /// All that it has written to standard output so far.
    package var output: String {
        drain(outputPipe, into: &outputBytes)
        return String(decoding: outputBytes, as: UTF8.self)
    }

    /// All that it has written to standard error so far.
    package var errors: String {
        drain(errorPipe, into: &errorBytes)
        return String(decoding: errorBytes, as: UTF8.self)
    }

    /// The whole lines of standard output so far.
    package var lines: [Substring] {
        let text = output
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.dropLast().map { $0 }
    }

    /// The whole lines that have come since the last call, for readers of long streams.
    package func takeLines() -> [Substring] {
        drain(outputPipe, into: &outputBytes)
        guard let end = outputBytes.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
        let text = String(decoding: outputBytes[...end], as: UTF8.self)
        outputBytes.removeSubrange(...end)
        return text.split(separator: "\n")
    }

    private func drain(_ pipe: borrowing FileDescriptor, into bytes: inout [UInt8]) {
        var part = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(pipe.number, &part, part.count)
            if count > 0 { bytes += part.prefix(count) } else if count == 0 || errno != EINTR { return }
        }
    }

    /// Whether it has not ended yet.
    package var isRunning: Bool { reap() == nil }

    /// How it ended: its exit status, or 128 and the signal's number; nil while it runs.
    package var exitStatus: Int? { reap() }

    private func reap() -> Int? {
        if let status { return status }
        var raw: CInt = 0
        let ended = waitpid(pid, &raw, WNOHANG)
        // The first process of a process namespace takes the ends of all its children, and leaves none to tell here.
        if ended < 0 && errno == ECHILD { status = 255 }
        guard ended == pid else { return status }
        let signal = Int(raw & 0x7f)
        status = signal == 0 ? Int(raw >> 8 & 0xff) : 128 + signal
        return status
    }

    /// Sends it a signal, unless it has ended.
    package func send(_ signal: CInt) { if isRunning { kill(pid, signal) } }

    /// Waits for its end; nil if it has not ended within the limit.
    package func wait(within limit: Duration = .seconds(5)) -> Int? {
        _ = eventually(within: limit) { reap() != nil }
        return status
    }

    /// Asks it to end with SIGTERM and waits; nil if it does not end within the limit.
    @discardableResult
    package func stop(within limit: Duration = .seconds(5)) -> Int? {
        send(SIGTERM)
        return wait(within: limit)
    }
}

/// The two ends of a pipe, neither inherited by programs.
struct Pipe: ~Copyable {
    let reading: FileDescriptor
    let writing: FileDescriptor

    init() throws {
        var ends: [CInt] = [-1, -1]
        guard qure_pipe_cloexec(&ends) == 0 else { throw SystemError("pipe", errno: .current) }
        reading = FileDescriptor(owning: ends[0])
        writing = FileDescriptor(owning: ends[1])
    }

    /// The reading end alone; the other one is closed here.
    consuming func takeReading() -> FileDescriptor { reading }
}

/// Gives a pipe room for so many bytes, if the system allows it.
func setPipeSize(_ end: CInt, _ size: Int) {
    // F_SETPIPE_SZ, which glibc shows to GNU sources only.
    _ = fcntl(end, 1031, CInt(clamping: size))
}

/// What a started program's standard streams are; nil: /dev/null for input, the caller's own for the others.
struct SpawnStreams {
    var input: CInt?
    var output: CInt?
    var errors: CInt?
}

/// Starts a program in the calling thread's network namespace, with no signal blocked or ignored. `ownGroup`: in a
/// process group of its own, so that Ctrl-C at the terminal is not for it.
func spawn(
    _ arguments: [String], _ streams: SpawnStreams, environment: [String: String] = [:], ownGroup: Bool
) throws -> CInt {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let input = streams.input {
        posix_spawn_file_actions_adddup2(&actions, input, 0)
    } else {
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    if let output = streams.output { posix_spawn_file_actions_adddup2(&actions, output, 1) }
    if let errors = streams.errors { posix_spawn_file_actions_adddup2(&actions, errors, 2) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t(), all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    var flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
    if ownGroup { flags |= POSIX_SPAWN_SETPGROUP }
    posix_spawnattr_setflags(&attributes, Int16(flags))

    var variables = environment
    variables["PATH"] = environment["PATH"] ?? Toolbox.searchPath
    let kept = inheritedEnvironment().filter { entry in
        variables[String(entry.prefix { $0 != "=" })] == nil
    }
    let words = CStrings(arguments), settings = CStrings(kept + variables.map { "\($0)=\($1)" })
    var pid: CInt = 0
    let program = arguments[0].contains("/") ? arguments[0] : found(arguments[0])
    let failure = posix_spawn(&pid, program, &actions, &attributes, words.pointers, settings.pointers)
    guard failure == 0 else { throw SystemError("posix_spawn", arguments[0], errno: Errno(rawValue: failure)) }
    return pid
}

private func found(_ program: String) -> String {
    let directory = Toolbox.searchPath.split(separator: ":").first { access("\($0)/\(program)", X_OK) == 0 }
    return directory.map { "\($0)/\(program)" } ?? program
}

private func inheritedEnvironment() -> [String] {
    var entries: [String] = []
    var place = environ
    while let entry = place.pointee {
        entries.append(String(cString: entry))
        place += 1
    }
    return entries
}

/// A NULL-terminated vector of C strings.
private final class CStrings {
    let pointers: [UnsafeMutablePointer<CChar>?]
    init(_ texts: [String]) { pointers = texts.map { strdup($0) } + [nil] }
    deinit { for pointer in pointers { free(pointer) } }
}

/// Starts a program that shares this process's standard streams and its place at the terminal.
package func startOnTerminal(_ arguments: [String], environment: [String: String] = [:]) throws -> CInt {
    try spawn(arguments, SpawnStreams(input: 0), environment: environment, ownGroup: false)
}
