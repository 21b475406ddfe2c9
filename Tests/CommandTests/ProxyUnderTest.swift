// A running qure-dnsproxy for tests: on a port of its own of the loopback address, asked by dig or by octets that no
// client would send.

import Glibc
import Lab
import QureCore
import Testing

/// A proxy that ends with its test.
final class ProxyUnderTest {
    let port: Int
    let process: LabProcess
    let folder = TemporaryFolder(inMemory: true)

    static let missing: String? = {
        if let missing = PrivateNamespace.missing { return missing }
        return ["named", "knotd", "nsd", "dig"].first { !Toolbox.isInstalled($0) }.map { "needs \($0): make deps" }
    }()

    /// Starts it with these options, by another program if given, and waits until it answers. FOLDER in them is a
    /// folder of its own, PORT its port.
    init(
        _ options: [String], files: [String: String] = [:], port chosen: Int? = nil, by program: [String] = []
    ) throws {
        try PrivateNamespace.prepare()
        port = chosen ?? NameServer.nextPort()
        for (name, text) in files { try TextFile.replace("\(folder.path)/\(name)", with: Array(text.utf8)) }
        let place = folder.path, number = "\(port)"
        let words = options.map { $0.replacing("FOLDER", with: place).replacing("PORT", with: number) }
        process = try LabProcess(
            program + [
                Executables.path("qure-dnsproxy"), "run", "--listen", "127.0.0.1:\(port)", "--record",
                "is.there 60 A 192.0.2.255", "--state-dir", folder.path,
            ] + words)
        let isThere = eventually { dig("is.there", "A") == ["192.0.2.255"] || !process.isRunning }
        #expect(isThere && process.isRunning, "the proxy does not answer: \(process.errors)")
    }

    private func run(_ words: [String]) -> String {
        RunningTool(["dig", "@127.0.0.1", "-p", "\(port)", "+time=6", "+tries=1"] + words).finish().output
    }

    /// Asks the running proxy by a command of the tool.
    func tell(_ words: String...) -> ToolResult {
        RunningTool([Executables.path("qure-dnsproxy")] + words + ["--state-dir", folder.path]).finish()
    }

    /// One of the numbers that `status` tells.
    func number(_ name: String) -> Int? {
        let word = tell("status").output.split { $0 == " " || $0 == "\n" }.first { $0.hasPrefix("\(name)=") }
        return word.flatMap { Int($0.dropFirst(name.count + 1)) }
    }

    /// The data of an answer, sorted.
    func dig(_ words: String...) -> [String] {
        run(["+short"] + words).split(separator: "\n").map(String.init).sorted()
    }

    /// All that dig says.
    func ask(_ words: String...) -> Answer { Answer(text: run(words)) }

    /// What dig says.
    struct Answer {
        let text: String

        /// `NOERROR`
        var status: String { word(after: "status: ").filter { $0 != "," } }
        /// `qr rd ra`
        var flags: String { String(text.split(separator: "flags: ").dropFirst().first?.prefix { $0 != ";" } ?? "") }
        /// The records of a section, each with single blanks.
        func section(_ name: String) -> [String] {
            var lines = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
            lines = lines.drop { $0 != ";; \(name) SECTION:" }.dropFirst()
            return lines.prefix { !$0.isEmpty }.map { line in
                line.split { $0 == " " || $0 == "\t" }.joined(separator: " ")
            }
        }
        /// The time to live of the first record of the answer.
        var ttl: Int? { section("ANSWER").first.flatMap { Int($0.split(separator: " ")[1]) } }

        private func word(after mark: String) -> String {
            String(text.split(separator: mark).dropFirst().first?.prefix { $0 != " " } ?? "")
        }
    }
}

/// A client that sends what it likes.
final class RawClient {
    private let descriptor: CInt
    private let isStream: Bool
    private var stream = StreamMessages()
    private var ready: [[UInt8]] = []

    init(port: Int, isStream: Bool, from address: String = "127.0.0.1") throws {
        self.isStream = isStream
        let type = isStream ? SOCK_STREAM : SOCK_DGRAM
        descriptor = socket(AF_INET, CInt(type.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        let own = SocketAddress(try #require(IPAddress(address)))
        try #require(own.withSockaddr { bind(descriptor, $0, $1) } == 0)
        let server = SocketAddress(try #require(IPAddress("127.0.0.1")), port: UInt16(port))
        try #require(server.withSockaddr { connect(descriptor, $0, $1) } == 0)
    }

    deinit { close(descriptor) }

    /// Sends a message.
    func send(_ octets: [UInt8]) { write(isStream ? StreamMessages.frame(octets) : octets) }

    /// Writes octets as they are.
    func write(_ octets: [UInt8]) { #expect(Glibc.write(descriptor, octets, octets.count) == octets.count) }

    /// The same to a peer that may have hung up.
    func tryToWrite(_ octets: [UInt8]) { _ = Glibc.send(descriptor, octets, octets.count, CInt(MSG_NOSIGNAL)) }

    /// Whether something has come, or does within so many milliseconds.
    func hasInput(within milliseconds: Int = 0) -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return !ready.isEmpty || poll(&request, 1, CInt(milliseconds)) == 1
    }

    /// Lets it end with a reset.
    func reset() { resetAtEnd(of: descriptor) }

    /// Says that no more will be sent.
    func endSending() { shutdown(descriptor, CInt(SHUT_WR)) }

    /// The next message; nil: the connection has ended.
    func receive() throws -> [UInt8]? {
        while ready.isEmpty {
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            try #require(poll(&request, 1, 20_000) == 1, "nothing came")
            var buffer = [UInt8](repeating: 0, count: 65535)
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return nil }
            let octets = Array(buffer.prefix(count))
            ready += isStream ? stream.take(octets) : [octets]
        }
        return ready.removeFirst()
    }
}
