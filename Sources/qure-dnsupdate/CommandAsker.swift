// CommandAsker: an address by a command of the user's: what it prints, if it ends with 0 before the time is over.

import QureCore

/// Runs a command.
final class CommandAsker: AddressAsker {
    private enum Part { static let output = 0, end = 1 }

    private let command: String
    private let source: AddressSource
    private let limit: Instant
    private var running: CommandOutput?
    private(set) var readings: [AddressReading]?

    init(_ command: String, source: AddressSource, until limit: Instant) {
        self.command = command
        self.source = source
        self.limit = limit
    }

    deinit { if running != nil { running?.endAtOnce() } }

    var nextDeadline: Instant? { readings == nil ? limit : nil }

    func start(_ poller: borrowing Poller, token: Int) throws {
        do {
            let running = try CommandOutput(command)
            try poller.add(running.outputDescriptor, token: token + Part.output)
            try poller.add(running.endDescriptor, token: token + Part.end)
            self.running = consume running
        } catch {
            fail("cannot be started: \(error)")
        }
    }

    func deadlinePassed(_ poller: borrowing Poller) {
        running?.endAtOnce()
        fail("did not end in time and was killed")
    }

    private func fail(_ why: String) {
        running = nil
        readings = [AddressReading(source: source.description, failed: why)]
    }

    func ready(_ part: Int, _ poller: borrowing Poller) {
        do {
            guard let descriptor = running?.outputDescriptor else { return }
            // Before its end is looked at: what it said last may have come with it.
            let goesOn = try running?.read() ?? false
            if part == Part.output {
                if !goesOn { try poller.remove(descriptor) }
                return
            }
        } catch {
            return fail("\(error)")
        }
        guard let ending = running?.ending() else { return }
        let text = running?.text ?? ""
        running = nil
        switch ending {
        case .status(0): judge(text)
        case .status(let status): fail("ended with status \(status)")
        case .signal(let signal): fail("was ended by signal \(signal)")
        }
    }

    /// The words are addresses, one for each family that there is.
    private func judge(_ text: String) {
        let words = text.split { $0.isWhitespace }
        var found: [AddressReading] = []
        for word in words {
            guard let address = IPAddress(String(word)) else {
                return fail("printed '\(word.prefix(40))', which is no address")
            }
            let isSecond = found.contains { $0.address.map(AddressFamily.init) == AddressFamily(address) }
            found.append(
                AddressReading(
                    source: source.description, address: address,
                    problem: isSecond ? "the command named another one first" : nil))
        }
        guard !found.isEmpty else { return fail("printed nothing") }
        readings = found
    }
}
