// The instruments of the lab as commands: the meter (asks a site from outside), the witness (asks the link who has an
// address) and the responder (answers for a host). Each is a loop of the Lab library; here are its options and its
// records.

import ArgumentParser
import Lab
import QureCore

/// `qure-lab meter`
struct MeterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meter",
        abstract: "Ask the site at a steady pace; tell outages, lost requests and who answered. 1: nobody ever did.")

    @Flag(name: .long, help: "Print records as JSON Lines, one object each.")
    var json = false

    @Option(help: "Where to ask.  [default: the lab's gateway, from outside]", transform: ArgumentText.address)
    var site: IPAddress?

    @Flag(name: .customLong("ipv6"), help: "Ask at the lab's shared IPv6 address.")
    var overIPv6 = false

    @Flag(help: "Ask for a page over a new connection each time, 50 times a second unless told otherwise.")
    var pages = false

    @Option(help: "Requests a second.  [default: 1000; 50 with --pages]")
    var rate: Int?

    @Option(name: .customLong("for"), help: "Stop after this time.  [default: on SIGTERM or SIGINT]")
    var length: DurationArgument?

    @Option(help: "A request without an answer for so long is lost.  [default: 1s; 300ms with --pages]")
    var timeout: DurationArgument?

    @Option(help: "Tell a silence of so long at once, and the outage after it.")
    var quiet = DurationArgument(.milliseconds(20))

    @Flag(help: "Tell the fate of every request.")
    var each = false

    mutating func validate() throws {
        if let rate, !(1...10000).contains(rate) { throw ValidationError("--rate takes 1 to 10000, not \(rate)") }
    }

    func run() throws {
        let address = site ?? (overIPv6 ? Lab.Plan.site6 : Lab.Plan.site)
        let meter = try MeterRun(
            .init(
                site: SocketAddress(address, port: pages ? Lab.Plan.pagePort : Lab.Plan.datagramPort),
                asksForPages: pages, interval: .nanoseconds(1_000_000_000 / Int64(rate ?? (pages ? 50 : 1000))),
                length: length?.duration,
                judgement: .init(
                    timeout: timeout?.duration ?? (pages ? .milliseconds(300) : .seconds(1)), quiet: quiet.duration)))
        let writer = RecordWriter(json: json)
        try writer.write(Record(asking: "\(address)", meter.start))
        try meter.run { events in
            for event in events {
                if case .request = event, !each { continue }
                try writer.write(Record(event, since: meter.start))
            }
        }
        try writer.write(Record(summaryOf: meter))
        if meter.tally.spans.isEmpty { throw Failure(.no, "\(address): nobody answered") }
    }
}

/// `qure-lab witness`
struct WitnessCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "witness",
        abstract: "Ask the link again and again who has an address; tell who has it when, and when two have it.")

    @Flag(name: .long, help: "Print records as JSON Lines, one object each.")
    var json = false

    @Option(name: .shortAndLong, help: "The interface to ask by.")
    var interface = "eth0"

    @Option(help: "From one question to the next.")
    var interval = DurationArgument(.milliseconds(1))

    @Option(name: .customLong("for"), help: "Stop after this time.  [default: on SIGTERM or SIGINT]")
    var length: DurationArgument?

    @Argument(help: "The address.  [default: the lab's]", transform: ArgumentText.address)
    var address: IPAddress?

    func run() throws {
        let witness = try WitnessRun(
            address ?? Lab.Plan.address, interface: interface, interval: interval.duration, length: length?.duration)
        let writer = RecordWriter(json: json)
        try writer.write(Record(asking: "\(address ?? Lab.Plan.address)", witness.start))
        try witness.run { events in
            for event in events { try writer.write(Record(event, since: witness.start)) }
        }
        try writer.write(Record(summaryOf: witness))
    }
}

/// `qure-lab serve`
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Answer the meter's datagrams and HTTP requests with this host's name, until SIGTERM or SIGINT.")

    @Option(help: "The name to answer with.")
    var name: String

    @Option(
        name: .customLong("address"), help: "Answer at this address, whether this host has it yet or not.",
        transform: ArgumentText.address)
    var addresses: [IPAddress] = [Lab.Plan.address, Lab.Plan.address6]

    @Option(help: "The UDP port.")
    var port = Lab.Plan.datagramPort

    @Option(help: "The TCP port for pages.")
    var pagePort = Lab.Plan.pagePort

    func run() throws {
        let responder = try Responder(name: name, addresses: addresses, datagramPort: port, pagePort: pagePort)
        try RecordWriter(json: false).write(Record("serving as \(name)", []))
        try responder.run()
    }
}
