// What is no failure of a claim: that a link goes down or away while something is said or heard on it. The monitor
// tells the same, and what it tells decides.

import QureCore

extension NeighborSocket {
    /// What was heard. That an interface goes down is told here as an error, once; the monitor says the same.
    mutating func receiveUnlessDown() throws(SystemError) -> [Heard] {
        do { return try receive() } catch where error.isLinkTrouble { return [] }
    }
}

extension SystemError {
    /// Whether the link is what failed, which the monitor tells too.
    var isLinkTrouble: Bool {
        [.networkDown, .noDevice, .noSuchDeviceOrAddress, .noBuffers].contains(errno)
    }
}
