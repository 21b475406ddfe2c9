// SystemNotices: what the machine under `qure-elect run` is about to do, or has done unseen: shut down or sleep
// (logind, over the message bus), lose its power (the button, where no logind is), and sleep that its own clocks do
// not show (the hardware's clock, the kernel's log). Each source may be missing; that is said at -v and costs
// nothing. Nothing here decides what becomes of the address: the session gives what is noticed to the Election.

import Glibc
import QureCore

final class SystemNotices {
    enum Token { static let bus = 10, button = 11, kernelLog = 12 }

    /// What the election must know.
    enum Notice: Equatable {
        case shutdown, sleep, awake, powerButton, restored
        case slept(Duration)
    }

    private var watch: LoginWatch
    private var bus: BusSocket?
    /// logind waits for as long as this is open.
    private var inhibitor: FileDescriptor?
    private let button: ACPIMonitor?
    private let kernelLog: KernelLog?
    private let clock: HardwareClock?
    private var judge = SleepJudge()
    private var clockDue = Instant(nanoseconds: 0)
    private var diagnostics: Diagnostics
    private static let clockInterval = Duration.seconds(1)

    init(_ poller: borrowing Poller, _ diagnostics: Diagnostics) throws {
        self.diagnostics = diagnostics
        watch = LoginWatch(user: geteuid(), program: "qure-elect", at: Clock.now)
        nextDeadline = watch.nextDeadline
        clock = HardwareClock()
        let button: ACPIMonitor?
        do { button = try ACPIMonitor() } catch {
            button = nil
            self.diagnostics.say(.information, "\(error): no notice of the power button; going on")
        }
        switch button {
        case .some(let monitor): try poller.add(monitor.descriptor, token: Token.button)
        case nil: self.diagnostics.say(.information, "the kernel tells of no ACPI events here")
        }
        self.button = button
        let kernelLog = KernelLog()
        switch kernelLog {
        case .some(let log): try poller.add(log.descriptor, token: Token.kernelLog)
        case nil: break
        }
        self.kernelLog = kernelLog
    }

    /// When the watch over the bus has something to do by itself. The clock is read when the loop looks at more than a
    /// heartbeat anyway.
    private(set) var nextDeadline: Instant?

    /// Takes what has happened.
    func turn(_ events: [Poller.Event], _ poller: borrowing Poller) -> [Notice] {
        var notices: [Notice] = []
        let now = Clock.now
        for event in events {
            switch event {
            case .ready(Token.bus): notices += receive(poller)
            case .ready(Token.button): notices += readButton()
            case .ready(Token.kernelLog): if readKernelLog() { notices.append(.restored) }
            case .ready, .signal, .deadline: break
            }
        }
        if let due = nextDeadline, now >= due { notices += step(.deadlinePassed, poller) }
        if now >= clockDue, let slept = readClock() { notices.append(.slept(slept)) }
        return notices
    }

    /// Whether logind waits for the address to be gone from here.
    var isAwaited: Bool { watch.isPreparing }

    /// The address is gone: the machine may go on.
    func departed(_ poller: borrowing Poller) { _ = step(.departed, poller) }

    // MARK: The message bus

    private func step(_ input: LoginWatch.Input, _ poller: borrowing Poller) -> [Notice] {
        let outputs = watch.step(input, at: Clock.now)
        nextDeadline = watch.nextDeadline
        return outputs.flatMap { perform($0, poller) }
    }

    private func perform(_ output: LoginWatch.Output, _ poller: borrowing Poller) -> [Notice] {
        switch output {
        case .connect: return connect(poller)
        case .disconnect: bus = nil
        case .send(let bytes):
            guard let isSent = bus?.send(bytes), !isSent else { return [] }
            return step(.closed, poller)
        case .keepDescriptor: inhibitor = bus?.takeDescriptor()
        case .dropDescriptors(let count): for _ in 0..<count { _ = bus?.takeDescriptor() }
        case .release: inhibitor = nil
        case .notice(.shutdown): return [.shutdown]
        case .notice(.sleep): return [.sleep]
        case .notice(.awake): return [.awake]
        case .say(let text): diagnostics.say(.information, text)
        }
        return []
    }

    private func connect(_ poller: borrowing Poller) -> [Notice] {
        do {
            let socket = try BusSocket(BusSocket.systemPlaces)
            try poller.add(socket.descriptor, token: Token.bus)
            bus = consume socket
        } catch { return step(.refused("\(error)"), poller) }
        return step(.connected, poller)
    }

    /// A few reads at most: whoever talks without end is heard in turns.
    private func receive(_ poller: borrowing Poller) -> [Notice] {
        var notices: [Notice] = []
        for _ in 0..<8 where bus != nil {
            guard let bytes = bus?.receive() else { return notices + step(.closed, poller) }
            if bytes.isEmpty { break }
            notices += step(.received(bytes), poller)
        }
        return notices
    }

    // MARK: The others

    /// With logind there, it says what the button does; without it nobody would say anything before the end.
    private func readButton() -> [Notice] {
        guard let events = button?.read(), events.contains(where: \.isPowerButton) else { return [] }
        if watch.hearsLogind {
            diagnostics.say(.information, "the power button was pressed; logind decides what that means")
            return []
        }
        return [.powerButton]
    }

    private func readKernelLog() -> Bool { kernelLog?.read().contains(where: \.tellsOfFork) ?? false }

    private func readClock() -> Duration? {
        clockDue = Clock.now + Self.clockInterval
        guard let hardware = clock?.read() else { return nil }
        let wall = Duration.nanoseconds(Clock.realtimeNanoseconds)
        return judge.judge(.init(boot: Clock.now, wall: wall, hardware: hardware))
    }
}

extension ElectSession {
    /// Gives the election what the machine is about to do, or has done unseen.
    func heedNotices(_ events: [Poller.Event]) {
        for notice in notices.turn(events, poller) {
            diagnostics.say(.information, "noticed: \(notice)")
            switch notice {
            case .shutdown: step(.leave(reason: "shutdown"))
            case .sleep: step(.sleep)
            case .awake: step(.awake)
            case .powerButton: step(.powerButton)
            case .restored: step(.restored)
            case .slept(let time): step(.slept(time))
            }
        }
        if notices.isAwaited, !election.isMasterNow, !isAddressHere { notices.departed(poller) }
    }
}
