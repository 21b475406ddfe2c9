// ToolMain: what every tool's main does: make the standard streams safe, read the configuration file, parse the command
// line, run the command, and end with a status of the one table (ExitStatus.swift).

package import ArgumentParser
import Glibc

/// A tool: its root command and how to run it.
package protocol Tool: ParsableCommand {
    /// Its name, as messages begin with it.
    static var name: String { get }

    /// The arguments as the parser is to see them, for what it cannot express itself.
    static func prepare(_ arguments: [String]) -> [String]

    /// Whether an option of a configuration file is meant for a command (nil: none is named); others pass it over.
    static func concerns(_ option: String, _ command: String?) -> Bool

    /// What a plain command line asks for, read without the parser, for those that are to start at once; nil: it is the
    /// parser's to read, as everything is that is not right.
    static func plain(_ arguments: [String]) -> ((Diagnostics) throws -> Void)?
}

extension Tool {
    /// Nothing to prepare.
    package static func prepare(_ arguments: [String]) -> [String] { arguments }

    /// A file is for the command that it is given to, all of it.
    package static func concerns(_ option: String, _ command: String?) -> Bool { true }

    /// Nothing is plain.
    package static func plain(_ arguments: [String]) -> ((Diagnostics) throws -> Void)? { nil }

    /// Runs the tool with the process's arguments and ends the process.
    package static func runMain() -> Never {
        secureStandardStreams()
        var diagnostics = Diagnostics(tool: name)
        do {
            try run(Array(CommandLine.arguments.dropFirst()), diagnostics)
            Glibc.exit(ExitStatus.yes.rawValue)
        } catch let failure as Failure {
            if !failure.description.isEmpty { diagnostics.say(.error, failure.description) }
            Glibc.exit(failure.status.rawValue)
        } catch let error as SystemError {
            let failure = Failure(error)
            diagnostics.say(.error, failure.description)
            Glibc.exit(failure.status.rawValue)
        } catch {
            Glibc.exit(finish(error, of: Array(CommandLine.arguments.dropFirst()), &diagnostics).rawValue)
        }
    }

    private static func run(_ arguments: [String], _ diagnostics: Diagnostics) throws {
        if arguments == ["--version"] { return try OutputStream.writeAll(Array((Version.text + "\n").utf8), to: 1) }
        if let run = plain(arguments) { return try run(diagnostics) }
        var command = try parse(arguments)
        try command.run()
    }

    /// The parser's own ends: help and version on standard output; a usage error as one line with a hint.
    private static func finish(
        _ error: any Error, of arguments: [String], _ diagnostics: inout Diagnostics
    ) -> ExitStatus {
        if exitCode(for: error) == .success {
            do {
                try OutputStream.writeAll(Array((fullMessage(for: error) + "\n").utf8), to: 1)
                return .yes
            } catch {
                diagnostics.say(.error, error.description)
                return .system
            }
        }
        let complaint = hint.complaint(about: arguments) ?? sentence(for: error)
        let command = arguments.first { hint.commands.contains($0) }.map { " \($0)" } ?? ""
        diagnostics.say(.error, "\(complaint) (see '\(name)\(command) --help')")
        return .usage
    }

    /// The tool's words, as its help has them.
    private static var hint: UsageHint {
        UsageHint(commands: configuration.subcommands.map { $0._commandName }) { command in
            let subcommand = configuration.subcommands.first { $0._commandName == command }
            let help = helpMessage(for: subcommand ?? configuration.defaultSubcommand ?? self, columns: 500)
            return help.split { " ,\n".contains($0) }.filter { $0.hasPrefix("-") }.map(String.init)
        }
    }

    /// The parser's message without its stop; where a value has a sentence of its own, only that.
    private static func sentence(for error: any Error) -> String {
        let message = message(for: error)
        let text = message.hasSuffix(".") ? String(message.dropLast()) : message
        guard text.hasPrefix("The value '") else { return text }
        var rest = text[...]
        while let colon = rest.firstIndex(of: ":") {
            let isBehindName = rest[..<colon].hasSuffix("'")
            rest = rest[rest.index(after: colon)...]
            if isBehindName && rest.hasPrefix(" ") { return String(rest.dropFirst()) }
        }
        return text
    }

    /// The command as it would be begun now: the configuration file is read anew. What is wrong with it is a failure
    /// of its own, so that a daemon can say it and go on as it was.
    package static func reread() throws -> any ParsableCommand {
        do { return try parse(Array(CommandLine.arguments.dropFirst())) } catch let failure as Failure {
            throw failure
        } catch { throw Failure(.usage, sentence(for: error)) }
    }

    /// Parses the command line with the configuration file's options in front.
    private static func parse(_ arguments: [String]) throws -> any ParsableCommand {
        guard var file = try configurationFile(of: arguments) else { return try parseQuickly(prepare(arguments)) }
        let command = arguments.first.flatMap { hint.commands.contains($0) ? $0 : nil }
        file.lines.removeAll { !concerns($0.option, command) }
        let parsed: any ParsableCommand
        do {
            parsed = try parseQuickly(prepare(merge(file.lines, into: arguments)))
        } catch {
            if exitCode(for: error) != .success, let failure = blame(file, arguments) { throw failure }
            throw error
        }
        let repetition = file.blameRepetition { lines in
            (try? parseQuickly(prepare(merge(lines, into: arguments)))).map { String(describing: $0) }
        }
        if let repetition { throw repetition }
        return parsed
    }

    /// Asks the subcommand's own parser first: that of the whole tool looks at every subcommand there is, which takes
    /// longer than many a run, and it would take the subcommand's options for those of its own that have the same name.
    /// Help and the like are the whole tool's to answer.
    private static func parseQuickly(_ arguments: [String]) throws -> any ParsableCommand {
        let named = configuration.subcommands.first { $0._commandName == arguments.first }
        let rest = arguments.dropFirst(named == nil ? 0 : 1)
        guard let subcommand = named ?? configuration.defaultSubcommand else { return try parseAsRoot(arguments) }
        do {
            let command = try subcommand.parseAsRoot(Array(rest))
            // Asked for help the parser gives back a command of its own.
            if type(of: command) == subcommand { return command }
        } catch {
            if named != nil, exitCode(for: error) != .success { throw error }
        }
        return try parseAsRoot(arguments)
    }

    /// The file's options as arguments: behind the subcommand, before everything else.
    private static func merge(_ lines: [ConfigurationFile.Line], into arguments: [String]) -> [String] {
        let names = configuration.subcommands.map { $0._commandName }
        let subcommands = arguments.prefix(1).filter { names.contains($0) }
        return subcommands + lines.map(\.argument) + arguments.dropFirst(subcommands.count)
    }

    /// The line of the file that is wrong, if it is the file.
    private static func blame(_ file: ConfigurationFile, _ arguments: [String]) -> Failure? {
        let command = arguments.prefix(1).filter(hint.commands.contains)
        let unknown = file.lines.lazy.map { ($0, hint.complaint(about: command + [$0.argument]) ?? "") }
        if let (line, text) = unknown.first(where: { !$0.1.isEmpty }) {
            return Failure(.usage, "\(file.name):\(line.number): \(text)")
        }
        return file.blame { lines in
            do {
                _ = try parseQuickly(prepare(merge(lines, into: arguments)))
                return ""
            } catch {
                return exitCode(for: error) == .success ? "" : sentence(for: error)
            }
        }
    }

    private static func configurationFile(of arguments: [String]) throws -> ConfigurationFile? {
        var name: String?
        for (index, argument) in arguments.enumerated() {
            if argument == "--" { break }
            if argument == "--config" {
                guard index + 1 < arguments.count else { throw Failure(.usage, "--config needs the name of a file") }
                name = arguments[index + 1]
            } else if argument.hasPrefix("--config=") {
                name = String(argument.dropFirst("--config=".count))
            }
        }
        guard let name else { return nil }
        do {
            let command = arguments.first.flatMap { hint.commands.contains($0) ? $0 : nil }
            return try ConfigurationFile(TextFile.read(name), name: name) { hint.longName(of: $0, of: command) }
        } catch let error as SystemError {
            throw Failure(.usage, "\(error)")
        }
    }
}

extension CommandConfiguration {
    /// A subcommand of `tool`. Saying so spares a lone subcommand the search for requests that only a whole tool
    /// answers (completion scripts), which would take as long as all the rest.
    package static func subcommand(_ name: String, of tool: String, abstract: String) -> CommandConfiguration {
        CommandConfiguration(commandName: name, _superCommandName: tool, abstract: abstract)
    }
}

/// A descriptor number below 3 that is closed would be given to the next socket, and records would be written into
/// it. Writing to a standard output that was closed must fail instead; a reader that went away must be an error, not
/// the end of the process.
private func secureStandardStreams() {
    signal(SIGPIPE, SIG_IGN)
    for descriptor: CInt in 0...2 where fcntl(descriptor, F_GETFD) == -1 {
        // Opened for reading only: a write to it is refused.
        _ = unsafe open("/dev/null", descriptor == 2 ? O_WRONLY : O_RDONLY)
    }
}
