// ScriptRun: a script from its first line to its end: reads lines, does what they ask for, and says what came of it in
// nsupdate's words. Errors of the script end it, unless somebody sits at a terminal; an update that fails is noted in
// the exit status, and the script goes on. UpdateSending.swift sends.

import Glibc
import QureCore

/// The end of everything, with a line for standard error.
struct Fatal: Error { var line: String }

/// One run of a script.
struct ScriptRun: ~Copyable {
    let options: NsupdateOptions
    let name: String
    let book: AddressBook
    var script: UpdateScript
    var talk: ServerTalk
    /// The servers that were chosen; empty: the resolvers are asked for the zone's primary.
    var servers: [DNSEndpoint]
    /// The answer to the last update.
    var answer: DNSMessage?
    var isDebugging: Bool
    var isTracing: Bool
    /// Whether any update failed.
    var hasFailed = false

    /// Runs with these arguments, and returns the exit status.
    static func run(_ arguments: [String], calledAs name: String) -> Int32 {
        do {
            let options = try NsupdateOptions(arguments, name: name)
            var run = try ScriptRun(options, name)
            return try run.runScript()
        } catch let end as OptionsEnd {
            for line in end.complaints { complain(line) }
            return (try? OutputStream.writeAll(Array(end.output.utf8), to: 1)) == nil ? 1 : end.status
        } catch let fatal as Fatal {
            complain(fatal.line)
        } catch {
            complain("\(name): \(error)")
        }
        return 1
    }

    private init(_ options: NsupdateOptions, _ name: String) throws {
        // First what can fail: a value that is half made cannot be thrown away.
        let key = try Self.key(options)
        let talk = try ServerTalk()
        self.talk = talk
        self.options = options
        self.name = name
        isDebugging = options.isDebugging
        isTracing = options.isTracing
        book = AddressBook(resolverFile: options.resolverFile, port: options.port, families: options.families)
        script = UpdateScript(key: key, isLocalOnly: options.isLocal)
        let own = ["::1", "127.0.0.1"].compactMap { DNSEndpoint($0, port: options.port) }
        servers = options.isLocal ? own.filter { options.families.allow($0.address) } : []
    }

    private static func key(_ options: NsupdateOptions) throws -> TSIGKey? {
        let result: KeyReading.Result
        if options.isDebugging, options.key ?? options.keyFile != nil { complain("Creating key...") }
        if let key = options.key {
            do { result = try KeyReading.argument(key) } catch { throw Fatal(line: error.reason) }
        } else if let file = options.keyFile {
            result = KeyReading.file(file)
        } else if options.isLocal {
            do {
                return try TSIGKeyFile.key(TextFile.read(KeyReading.sessionFile))
            } catch {
                let why = (error as? SystemError)?.errno == .noEntry ? "file not found" : "\(error)"
                throw Fatal(line: "can't read key from \(KeyReading.sessionFile): \(why)")
            }
        } else {
            return nil
        }
        for line in result.complaints { complain(line) }
        return result.key
    }

    /// What somebody may have meant who does not know that words are names of scripts; nsupdate has no commands.
    private func hint(_ word: String) -> String? {
        guard name != "nsupdate" else { return nil }
        let hint = UsageHint(commands: DNSUpdateCommand.commandNames, options: { _ in [] }).complaint(about: [word])
        return hint.map { "\(name): \($0)" }
    }

    private mutating func runScript() throws -> Int32 {
        var input: ScriptInput
        do { input = try ScriptInput(options.file) } catch {
            let why = error.errno == .noEntry ? "file not found" : "\(error.errno)"
            let line = "could not open '\(error.object)': \(why)"
            guard let hint = hint(error.object) else { throw Fatal(line: line) }
            complain(line)
            throw Fatal(line: hint)
        }
        let isForgiving = options.isInteractive || options.file == nil && input.isTerminal
        while let line = try input.next() {
            do { guard try take(line) else { break } } catch let error as UpdateScriptError {
                if !error.reason.isEmpty { complain(error.reason) }
                if !isForgiving { throw Fatal(line: "syntax error") }
            }
        }
        return hasFailed ? 2 : 0
    }
}

extension ScriptRun {
    /// Does what a line asks for; false: it was the last one.
    private mutating func take(_ line: [UInt8]) throws -> Bool {
        switch try script.take(line) {
        case .more: break
        case .quit: return false
        case .send: try send()
        case .server(let host, let port): try choose(host, port)
        case .show: try show("Outgoing update query:", script.message(id: 0), isSent: false)
        case .answer: if let answer { try show("Answer:", answer) }
        case .debug: (isTracing, isDebugging) = (isTracing || isDebugging, true)
        case .help: try Self.write(Self.help)
        case .version: try Self.write("\(name) (qure) \(Version.text)\n")
        case .unsupported(let why): complain(why)
        }
        return true
    }

    private mutating func choose(_ host: String, _ port: UInt16?) throws {
        let found = try book.endpoints(of: host, port: port ?? options.port, by: &talk)
        guard !found.isEmpty else { throw UpdateScriptError("couldn't get address for '\(host)': not found") }
        servers = found
    }

    /// Shows a message on standard output, or on standard error.
    func show(_ title: String, _ message: DNSMessage, isSent: Bool = true, to descriptor: CInt = 1) throws {
        let text = "\(title)\n\(message.updateText(isSent: isSent))"
        try OutputStream.writeAll(Array(text.utf8), to: descriptor)
    }

    private static func write(_ text: String) throws { try OutputStream.writeAll(Array(text.utf8), to: 1) }

    private static let help = """
        local address [port]      (send from this address)
        server address [port]     (set the primary server of the zone)
        send                      (send the update; so does an empty line)
        show                      (show the update)
        answer                    (show the answer to the last update)
        quit                      (quit; an update that was not sent is not sent)
        help                      (show this)
        version                   (show the version)
        debug                     (show what is sent and received)
        key [hmac:]name secret    (sign with this key of TSIG)
        zone name                 (set the zone)
        class CLASS               (set the zone's class: IN, CH, ...)
        ttl seconds | none        (set the time to live of records that are added without one)
        lease seconds [seconds]   (ask for a lease, and for one of KEY records)
        check-names on | off      (refuse names that hosts cannot have, or do not)
        [prereq] nxdomain name    (the name must not exist)
        [prereq] yxdomain name    (the name must exist)
        [prereq] nxrrset ...      (there must be no such records)
        [prereq] yxrrset ...      (there must be such records)
        [update] add ...          (add a record)
        [update] del[ete] ...     (delete records)

        """
}

/// Says a line on standard error, in which what others sent does no harm to a terminal.
func complain(_ line: String) {
    try? OutputStream.writeAll(Array((Diagnostics.printable(line) + "\n").utf8), to: 2)
}
