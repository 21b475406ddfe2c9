// Mailbox and Thread: how the threads of a process that has several speak with each other: by messages that are values,
// put into a box that a poller can watch. Nothing else is shared, so that no loop ever waits for another one's.

import CLinux
import Glibc
import Synchronization

/// A queue of messages from any thread to one.
package final class Mailbox<Message: Sendable>: Sendable {
    private let messages = Mutex<[Message]>([])
    private let event: FileDescriptor

    /// An empty box.
    package init() throws(SystemError) {
        event = FileDescriptor(owning: try check("eventfd") { eventfd(0, CInt(EFD_CLOEXEC) | CInt(EFD_NONBLOCK)) })
    }

    /// For the poller: readable while there are messages.
    package var descriptor: CInt { event.number }

    /// Puts a message in.
    package func post(_ message: Message) {
        messages.withLock { $0.append(message) }
        var one: UInt64 = 1
        _ = unsafe write(event.number, &one, 8)
    }

    /// Takes all messages out, in their order.
    package func take() -> [Message] {
        var count: UInt64 = 0
        _ = unsafe read(event.number, &count, 8)
        return messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }

    /// Waits for messages, as long as `limit`; none: there were none.
    package func take(within limit: Duration) -> [Message] {
        var request = pollfd(fd: event.number, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&request, 1, CInt(clamping: limit.milliseconds))
        return take()
    }
}

/// Threads.
package enum Thread {
    private final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` in a thread of its own, which ends with it. Signals that the caller has blocked stay blocked there.
    package static func start(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let box = unsafe Unmanaged.passRetained(Box(body))
        var thread = pthread_t()
        let errno = unsafe pthread_create(&thread, nil, threadMain, box.toOpaque())
        guard errno == 0 else {
            unsafe box.release()
            throw SystemError("pthread_create", errno: Errno(rawValue: errno))
        }
        pthread_detach(thread)
    }

    fileprivate static func run(_ box: UnsafeMutableRawPointer) {
        unsafe Unmanaged<Box>.fromOpaque(box).takeRetainedValue().body()
    }
}

private func threadMain(_ box: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let box = unsafe box { unsafe Thread.run(box) }
    return nil
}
