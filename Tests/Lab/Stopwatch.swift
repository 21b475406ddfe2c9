// Stopwatch: how long a program takes as a whole process, from the call that starts it until its end is known, and what
// a running one costs. Everything that can be prepared is prepared before the clock runs.

package import Glibc
import QureCore

/// A command line that is run again and again, its output thrown away.
package final class Stopwatch {
    /// The command line, for people.
    package let command: String
    private let program: String
    private let words: [UnsafeMutablePointer<CChar>?]
    private var actions = posix_spawn_file_actions_t()

    /// Prepares a command line, the first word of which is one of our tools or a program of the system.
    package init(_ line: String) throws {
        let arguments = line.split(separator: " ").map(String.init)
        command = line
        program = try Self.path(of: arguments[0])
        words = arguments.map { strdup($0) } + [nil]
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for descriptor: CInt in [1, 2] {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
        }
    }

    deinit {
        for word in words { free(word) }
        posix_spawn_file_actions_destroy(&actions)
    }

    private static func path(of program: String) throws -> String {
        let places = Toolbox.searchPath.split(separator: ":").map { "\($0)/\(program)" }
        guard let path = places.first(where: { access($0, X_OK) == 0 }) else { throw LabError("\(program): not found") }
        return path
    }

    /// Runs it once, in the calling thread's network namespace. Ends with one of `statuses`, or that is an error.
    package func run(endingWith statuses: Set<Int> = [0]) throws -> Duration {
        var process: pid_t = 0
        var raw: CInt = 0
        let start = Clock.now
        let failure = posix_spawn(&process, program, &actions, nil, words, environ)
        guard failure == 0 else { throw SystemError("posix_spawn", program, errno: Errno(rawValue: failure)) }
        while waitpid(process, &raw, 0) < 0 && errno == EINTR {}
        let time = Clock.now - start
        let signal = Int(raw & 0x7f)
        let status = signal == 0 ? Int(raw >> 8 & 0xff) : 128 + signal
        guard statuses.contains(status) else { throw LabError("\(command): ended with status \(status)") }
        return time
    }
}

/// What a process has cost until now.
package struct ProcessCost: Equatable, Sendable {
    /// How often it was woken up.
    package var wakeUps: Int
    /// Time on a processor.
    package var processorTime: Duration
    /// That of the programs that it has run and that have ended.
    package var childrensTime: Duration
    /// The most memory that it ever had at once, in bytes.
    package var peakMemory: Int
    /// The memory that is its own and no file's, in bytes.
    package var ownMemory: Int

    /// The cost of the process until now; nil: there is no such process.
    package init?(of process: pid_t) {
        func text(_ file: String) -> String? {
            (try? TextFile.read("/proc/\(process)/\(file)")).map { String(decoding: $0, as: UTF8.self) }
        }
        guard let status = text("status"), let schedule = text("schedstat"), let account = text("stat") else {
            return nil
        }
        func value(_ name: String) -> Int {
            let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") } ?? ""
            return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).lazy.compactMap { Int($0) }.first ?? 0
        }
        wakeUps = value("voluntary_ctxt_switches")
        peakMemory = value("VmHWM") * 1024
        ownMemory = value("RssAnon") * 1024
        processorTime = .nanoseconds(schedule.split(separator: " ").first.flatMap { Int64($0) } ?? 0)
        // The program's name, which may have blanks in it, ends with the last bracket (proc(5): cutime, cstime).
        let words = account.split(separator: ")").last?.split(separator: " ").dropFirst(13).prefix(2) ?? []
        let ticks = words.reduce(0) { $0 + (Int64($1) ?? 0) }
        childrensTime = .nanoseconds(ticks * 1_000_000_000 / Int64(sysconf(CInt(_SC_CLK_TCK))))
    }
}
