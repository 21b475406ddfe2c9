// NsupdateOptions: nsupdate's command line, read as getopt(3) reads it: options of one letter, several behind one dash,
// a value attached or as the next word, an end at the first word that is none. Complaints are in nsupdate's words.

import QureCore

/// Why a command line is no good, or what it asks for instead of a script.
struct OptionsEnd: Error, Equatable {
    /// 0 or 1.
    var status: Int32
    var output = ""
    /// Lines for standard error.
    var complaints: [String] = []

    /// A complaint in one line.
    static func fatal(_ line: String) -> OptionsEnd { OptionsEnd(status: 1, complaints: [line]) }
}

/// What the command line says.
struct NsupdateOptions: Equatable {
    var families = Families()
    var resolverFile = "/etc/resolv.conf"
    var isDebugging = false
    var isTracing = false
    var isInteractive = false
    var isLocal = false
    var keyFile: String?
    var key: String?
    var port = DNSEndpoint.port
    var timing = DNSExchange.Timing()
    var usesStream = false
    /// Nil: standard input.
    var file: String?

    /// The families of addresses that are used.
    struct Families: Equatable {
        var v4 = true
        var v6 = true

        func allow(_ address: IPAddress) -> Bool { address.bitWidth == 32 ? v4 : v6 }
    }

    private static let withValue = Set("CLkprRtuy")
    private static let flags = Set("46dDghilMoPTvV")
    /// Those of newer versions that are about TLS.
    private static let secure = Set("AEHKOS")
    private var asksGSS = false
    private var timeout: UInt32 = 300
    private var datagramTimeout: UInt32 = 3
    private var retries: UInt32 = 3

    init(_ arguments: [String], name: String) throws(OptionsEnd) {
        var words = arguments[...]
        var given: [(letter: Character, value: String)] = []
        while let word = words.first, word.hasPrefix("-"), word != "-" {
            words = words.dropFirst()
            if word == "--" { break }
            var letters = word.dropFirst()
            while let letter = letters.popFirst() {
                if Self.withValue.contains(letter) {
                    guard let value = letters.isEmpty ? words.popFirst() : String(letters) else {
                        throw Self.usage(name, letter, "option requires an argument")
                    }
                    letters = ""
                    given.append((letter, value))
                } else if Self.flags.contains(letter) {
                    given.append((letter, ""))
                } else {
                    throw Self.unknown(name, letter)
                }
            }
        }
        try takeFirst(given, name)
        for (letter, value) in given { try take(letter, value, name) }
        try finish(name)
        if let word = words.first, word != "-" { file = word }
    }

    private static func usage(_ name: String, _ letter: Character, _ why: String?) -> OptionsEnd {
        OptionsEnd(
            status: 1,
            complaints: (why.map { ["\(name): \($0) -- \(letter)"] } ?? []) + [
                "\(name): invalid argument -\(letter)",
                "usage: \(name) [-CdDi] [-L level] [-l] [-g | -o | -y keyname:secret | -k keyfile] [-p port] [-v] "
                    + "[-V] [-P] [-T] [-4 | -6] [filename]",
            ])
    }

    private static func unknown(_ name: String, _ letter: Character) -> OptionsEnd {
        guard secure.contains(letter) else { return usage(name, letter, "illegal option") }
        return .fatal("\(name): -\(letter): DNS over TLS is not supported; sign with a key, or go through a tunnel")
    }

    /// Those that nsupdate looks at before all others.
    private mutating func takeFirst(_ given: [(letter: Character, value: String)], _ name: String) throws(OptionsEnd) {
        var output = ""
        var isOver = false
        for (letter, _) in given {
            switch letter {
            case "4": families.v6 = false
            case "6": families.v4 = false
            case "h": throw Self.usage(name, letter, nil)
            case "V": throw OptionsEnd(status: 0, complaints: ["\(name) (qure) \(Version.text)"])
            case "T":
                let types = (1...0xfeff).map { RecordType(rawValue: $0) }.filter { !$0.isMeta }
                output += types.map(\.description).filter { !$0.hasPrefix("TYPE") }.map { $0 + "\n" }.joined()
                isOver = true
            // There are none with a name.
            case "P": isOver = true
            default: continue
            }
            guard families.v4 || families.v6 else { throw .fatal("only one of -4 and -6 allowed") }
        }
        if isOver { throw OptionsEnd(status: 0, output: output) }
    }

    private mutating func take(_ letter: Character, _ value: String, _ name: String) throws(OptionsEnd) {
        func number(_ what: String) throws(OptionsEnd) -> UInt32 {
            guard let number = UInt32(value), value.utf8.first != UInt8(ascii: "+") else {
                throw .fatal("bad \(what) '\(value)'")
            }
            return number
        }
        switch letter {
        case "C": resolverFile = value
        case "d": isDebugging = true
        case "D", "M": (isDebugging, isTracing) = (true, true)
        case "g", "o": asksGSS = true
        case "i": isInteractive = true
        case "k": keyFile = value
        case "l": isLocal = true
        case "L": _ = try number("library debug value")
        case "p":
            guard let port = UInt16(exactly: try number("port number")) else {
                throw .fatal("bad port number '\(value)'")
            }
            self.port = port
        case "r": retries = try number("udp retries")
        case "R": throw .fatal("The -R option has been deprecated.")
        case "t": timeout = try number("timeout")
        case "u": datagramTimeout = try number("udp timeout")
        case "v": usesStream = true
        case "y": key = value
        default: break
        }
    }

    private mutating func finish(_ name: String) throws(OptionsEnd) {
        if keyFile != nil, key != nil { throw .fatal("\(name): cannot specify both -k and -y") }
        if asksGSS {
            throw .fatal(
                keyFile == nil && key == nil
                    ? "\(name): GSS-TSIG (-g, -o) is not supported; sign with a key of TSIG (-k)"
                    : "\(name): cannot specify -g with -k or -y")
        }
        timing.total = timeout == 0 ? nil : .seconds(Int(timeout))
        timing.tries = Int(min(retries, 1000)) + 1
        if datagramTimeout == 0 {
            // Without end at all there still are datagrams to be repeated.
            datagramTimeout = timeout == 0 ? 3 : max(1, timeout / UInt32(timing.tries))
        }
        timing.perTry = .seconds(Int(datagramTimeout))
    }
}
