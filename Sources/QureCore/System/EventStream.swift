// EventStream: standard input in lines, for those that follow an elector. It never waits: the poller says when there
// is something to read.

import Glibc

/// The lines of standard input.
package struct EventStream {
    /// What was read.
    package enum Item: Equatable {
        /// A line without its end.
        case line([UInt8])
        /// A line is longer than any can be; what follows cannot be trusted.
        case tooLong
        /// The stream ended with a line that has no end.
        case cutOff
        case end
    }

    private var rest: [UInt8] = []
    private var told: Set<String> = []
    /// Different unknown words that are told; a stream that makes them up must not fill the memory.
    private static let maximumUnknown = 32

    /// A stream that nothing was read of.
    package init() {}

    /// Watches standard input; false where that is not possible and not needed, as with a file: it can always be read.
    package func addTo(_ poller: borrowing Poller, token: Int) throws -> Bool {
        do {
            try poller.add(STDIN_FILENO, token: token)
            return true
        } catch  where error.errno == .notPermitted {
            return false
        }
    }

    /// The words of an event that its reader does not know and was not told of before.
    package mutating func newWords(of event: ClusterEvent) -> [String] {
        let unknown = event.unknown
        guard !unknown.isEmpty else { return [] }
        let new = unknown.filter { !told.contains($0) }.prefix(Self.maximumUnknown - told.count)
        told.formUnion(new)
        return Array(new)
    }

    /// As much as a pipe holds (pipe(7)), so that one read brings all that was written until then.
    private static let capacity = 65536

    /// What one read brings.
    package mutating func read() throws -> [Item] {
        // Not an array: filling one with zeros would be most of the cost.
        let count = unsafe withUnsafeTemporaryAllocation(byteCount: Self.capacity, alignment: 16) { space in
            let count = unsafe Glibc.read(STDIN_FILENO, space.baseAddress, space.count)
            if count > 0 { unsafe rest += space[..<count] }
            return count
        }
        guard count > 0 else {
            if count < 0 && (errno == EAGAIN || errno == EINTR) { return [] }
            return rest.isEmpty ? [.end] : [.cutOff]
        }
        var items: [Item] = []
        while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
            items.append(.line(Array(rest[..<newline])))
            rest.removeSubrange(...newline)
        }
        if rest.count > ClusterEvent.maximumLength {
            rest = []
            items.append(.tooLong)
        }
        return items
    }
}
