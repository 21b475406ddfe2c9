// PlainQuestions: `qure-probe ADDRESS...` and `qure-probe wait` read without the parser, if nothing but addresses and
// the most common options is in them, each word by itself. The parser takes a millisecond and a megabyte: more than all
// else that a question to a live neighbour takes. About what is not so plain, or not right, the parser has the word.

import QureCore

/// The words of a command line, taken one by one.
struct PlainWords {
    private var rest: ArraySlice<String>

    init(_ words: some Sequence<String>) { rest = Array(words)[...] }

    /// The next word.
    mutating func next() -> String? { rest.popFirst() }

    /// The next word as the name of an interface.
    mutating func interface() -> String? { next().flatMap { CommonOptions.isInterfaceName($0) ? $0 : nil } }

    /// The next word as a number of times.
    mutating func count() -> Int? { next().flatMap { Int($0) }.flatMap { Questions.counts.contains($0) ? $0 : nil } }

    /// The next word as a duration.
    mutating func duration() -> Duration? {
        next().flatMap { Duration(text: $0) }.flatMap { $0 >= Questions.shortestInterval ? $0 : nil }
    }
}

extension AddressQuestion {
    /// The question of a plain command line; nil: it is not plain.
    init?(plain arguments: [String]) {
        var words = PlainWords(arguments)
        while let word = words.next() {
            switch word {
            case "--all": all = true
            case "--json": json = true
            case "-i", "--interface":
                guard let name = words.interface() else { return nil }
                questions.interface = name
            case "-c", "--count":
                guard let number = words.count() else { return nil }
                count = number
            case "--interval":
                guard let duration = words.duration() else { return nil }
                questions.interval = duration
            case "-w", "--timeout":
                guard let duration = words.duration() else { return nil }
                timeout = duration
            default:
                guard let address = IPAddress(word) else { return nil }
                addresses.append(address)
            }
        }
        if addresses.isEmpty { return nil }
    }
}

extension WaitQuestion {
    /// What a plain command line that begins with `wait` waits for; nil: it is not plain.
    init?(plain arguments: [String]) {
        guard arguments.first == "wait" else { return nil }
        var words = PlainWords(arguments.dropFirst())
        var awaited: Awaited?, address: IPAddress?
        while let word = words.next() {
            switch word {
            case "--json": json = true
            case "--for":
                guard let state = words.next().flatMap({ Awaited(rawValue: $0) }) else { return nil }
                awaited = state
            case "-i", "--interface":
                guard let name = words.interface() else { return nil }
                questions.interface = name
            case "--interval":
                guard let duration = words.duration() else { return nil }
                questions.interval = duration
            case "--fall":
                guard let number = words.count() else { return nil }
                fall = number
            case "--rise":
                guard let number = words.count() else { return nil }
                rise = number
            default:
                guard let one = IPAddress(word), address == nil else { return nil }
                address = one
            }
        }
        guard let awaited, let address else { return nil }
        self.awaited = awaited
        self.address = address
    }
}
