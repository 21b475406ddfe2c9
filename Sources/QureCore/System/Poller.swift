// Poller: the one place where a tool waits: for descriptors, for a deadline, for signals.
// Waiting returns a value and calls nothing back; the loop that asked decides what it means. A timerfd with an absolute
// deadline gives microseconds where epoll_wait's own timeout rounds to milliseconds, and costs no wake-up between.

import CLinux
import Glibc

/// Waits for descriptors, a deadline and signals (epoll, timerfd, signalfd).
package struct Poller: ~Copyable {
    /// What ended a wait.
    package enum Event: Equatable, Sendable {
        /// The descriptor added under this token can be read or has been closed by the other side.
        case ready(Int)
        /// One of the signals arrived.
        case signal(CInt)
        /// The deadline has come.
        case deadline
    }

    private let epoll: FileDescriptor
    private let timer: FileDescriptor
    private let signals: FileDescriptor
    /// What the timer is set to; nil: not what is wanted, whatever that is.
    private var armed: Instant??
    private static let timerToken: UInt64 = .max
    private static let signalToken: UInt64 = .max - 1

    /// A poller that takes `signals` from now on as events: they no longer end the process.
    package init(signals numbers: [CInt] = []) throws(SystemError) {
        let epoll = FileDescriptor(owning: try check("epoll_create1") { epoll_create1(CInt(EPOLL_CLOEXEC)) })
        let timer = FileDescriptor(
            owning: try check("timerfd_create") {
                timerfd_create(CLOCK_BOOTTIME, CInt(TFD_CLOEXEC) | CInt(TFD_NONBLOCK))
            })
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for number in numbers { unsafe sigaddset(&set, number) }
        try check("sigprocmask") { unsafe sigprocmask(SIG_BLOCK, &set, nil) }
        let signals = FileDescriptor(
            owning: try check("signalfd") { unsafe signalfd(-1, &set, CInt(SFD_CLOEXEC) | CInt(SFD_NONBLOCK)) })
        try Self.add(timer.number, to: epoll.number, token: Self.timerToken)
        try Self.add(signals.number, to: epoll.number, token: Self.signalToken)
        self.epoll = epoll
        self.timer = timer
        self.signals = signals
    }

    /// Readable when a wait would end at once, the deadline being that of the last wait: one poller can watch another.
    package var descriptor: CInt { epoll.number }

    /// Watches `descriptor` for input under `token`; closing the descriptor ends that.
    package func add(_ descriptor: CInt, token: Int) throws(SystemError) {
        try Self.add(descriptor, to: epoll.number, token: UInt64(token))
    }

    private static func add(
        _ descriptor: CInt, to epoll: CInt, token: UInt64, events: EPOLL_EVENTS = EPOLLIN
    ) throws(SystemError) {
        var event = unsafe epoll_event(events: events.rawValue, data: epoll_data_t(u64: token))
        try check("epoll_ctl") { unsafe epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) }
    }

    /// Watches `descriptor` until it can be written (a connection that is being made, for instance) or fails.
    package func addForWriting(_ descriptor: CInt, token: Int) throws(SystemError) {
        try Self.add(descriptor, to: epoll.number, token: UInt64(token), events: EPOLLOUT)
    }

    /// Watches `descriptor` until it fails: a pipe whose reader is gone. False: it is of a kind that cannot be watched.
    package func addForFailure(_ descriptor: CInt, token: Int) throws(SystemError) -> Bool {
        do throws(SystemError) {
            try Self.add(descriptor, to: epoll.number, token: UInt64(token), events: EPOLLERR)
            return true
        } catch {
            // A file, or a device without a queue.
            guard error.errno == .notPermitted else { throw error }
            return false
        }
    }

    /// No longer watches `descriptor`.
    package func remove(_ descriptor: CInt) throws(SystemError) {
        try check("epoll_ctl") { epoll_ctl(epoll.number, EPOLL_CTL_DEL, descriptor, nil) }
    }

    /// Sleeps until something happens, at most until `deadline` (nil: without limit). A signal comes first in the
    /// list, the deadline last, so that whatever had arrived by then is judged before the silence is.
    package mutating func wait(until deadline: Instant?) throws(SystemError) -> [Event] {
        var events: [Event] = []
        if try wait(until: deadline, into: &events) { events.append(.deadline) }
        return events
    }

    /// The same for loops that turn often: the list is the caller's, whose memory is used again. Whether the deadline
    /// has come is said apart from it: where nothing else has, it is not touched.
    package mutating func wait(until deadline: Instant?, into events: inout [Event]) throws(SystemError) -> Bool {
        if !events.isEmpty { events.removeAll(keepingCapacity: true) }
        if armed != .some(deadline) { try arm(deadline) }
        var buffer = unsafe Self.nothing
        let count = try check("epoll_wait") {
            unsafe withUnsafeMutableBytes(of: &buffer) { bytes in
                unsafe epoll_wait(epoll.number, bytes.assumingMemoryBound(to: epoll_event.self).baseAddress, 16, -1)
            }
        }
        var expired = false
        for index in 0..<Int(count) {
            switch unsafe buffer[index].data.u64 {
            case Self.timerToken: expired = true
            case Self.signalToken: events.insert(contentsOf: try readSignals(), at: 0)
            case let token: events.append(.ready(Int(token)))
            }
        }
        // It stays readable until it is set anew, which the next wait does.
        if expired { armed = nil }
        return expired
    }

    private static var nothing: InlineArray<16, epoll_event> { unsafe InlineArray(repeating: epoll_event()) }

    /// Forgets the deadline of the last wait, so that it does not wake another poller that watches this one.
    package mutating func disarm() throws(SystemError) { try arm(nil) }

    private mutating func arm(_ deadline: Instant?) throws(SystemError) {
        // Zero would disarm the timer; a deadline in the past fires at once.
        let nanoseconds = deadline.map { max($0.nanoseconds, 1) } ?? 0
        try check("timerfd_settime") { qure_arm_timer(timer.number, nanoseconds) }
        armed = deadline
    }

    private func readSignals() throws(SystemError) -> [Event] {
        var events: [Event] = []
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        while try checkReady("read", "signalfd", { unsafe read(signals.number, &information, size) }) != nil {
            events.append(.signal(CInt(information.ssi_signo)))
        }
        return events
    }
}
