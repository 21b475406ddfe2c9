// PooledRandom: the kernel's random numbers, fetched by the dozen: a system call for each would cost a proxy as much as
// the number is worth. Nobody can guess them from those before.

import Glibc

/// The kernel's generator, asked for 32 numbers at a time.
package struct PooledRandom: RandomNumberGenerator, Sendable {
    private var pool: [UInt64] = []

    /// A generator with an empty pool.
    package init() {}

    package mutating func next() -> UInt64 {
        if let number = pool.popLast() { return number }
        // As many octets as one call gives.
        pool = [UInt64](repeating: 0, count: 32)
        let status = unsafe pool.withUnsafeMutableBytes { unsafe getentropy($0.baseAddress, $0.count) }
        precondition(status == 0, "no random numbers: \(Errno.current)")
        return pool.removeLast()
    }
}
