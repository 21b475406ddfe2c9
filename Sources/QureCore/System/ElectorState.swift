// ElectorState: what a member keeps between its runs: its number and the highest term. It is written by a thread of its
// own: a disk that stalls must not keep a master from its heartbeat. A lost file is harmless: a new number is made, and
// terms are learnt from the others.

import CLinux
import Glibc

/// The file of a member's number and term.
package final class ElectorState: Sendable {
    /// The member's number.
    package let node: NodeID
    /// The highest term that was kept.
    package let term: UInt64
    private let pipe: CInt
    /// Why the file could not be read or written at the start, if so.
    package let trouble: SystemError?

    /// Reads the file at `path`, or makes one with the number `fresh`.
    package init(_ path: String, fresh: NodeID) throws(SystemError) {
        var node = fresh
        var term: UInt64 = 0
        if let text = try? TextFile.read(path) {
            for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
                let words = line.split(separator: " ")
                guard words.count == 2 else { continue }
                if words[0] == "node", let known = NodeID(String(words[1])) { node = known }
                if words[0] == "term", let known = UInt64(words[1]) { term = known }
            }
        }
        self.node = node
        self.term = term
        do throws(SystemError) {
            if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
                try TextFile.makeDirectory(String(path[..<slash]))
            }
            try Self.write(path, node, term)
            trouble = nil
        } catch {
            trouble = error
        }
        var ends: [CInt] = [-1, -1]
        try check("pipe") { unsafe ends.withUnsafeMutableBufferPointer { unsafe qure_pipe_cloexec($0.baseAddress) } }
        pipe = ends[1]
        let reading = ends[0]
        let job = WriterJob(path: path, node: node, pipe: reading)
        var thread = pthread_t()
        let argument = unsafe Unmanaged.passRetained(job).toOpaque()
        // A signal to the process goes to any thread that does not block it, and this one would die of it.
        var all = sigset_t(), before = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        let failure = unsafe pthread_create(&thread, nil, writeTerms, argument)
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        if failure != 0 { throw SystemError("pthread_create", errno: Errno(rawValue: failure)) }
    }

    /// Keeps the term, some time soon.
    package func remember(_ term: UInt64) {
        var copy = term
        _ = unsafe Glibc.write(pipe, &copy, 8)
    }

    fileprivate static func write(_ path: String, _ node: NodeID, _ term: UInt64) throws(SystemError) {
        try TextFile.replace(path, with: Array("node \(node)\nterm \(term)\n".utf8))
    }

    fileprivate final class WriterJob: Sendable {
        let path: String
        let node: NodeID
        let pipe: CInt
        init(path: String, node: NodeID, pipe: CInt) {
            self.path = path
            self.node = node
            self.pipe = pipe
        }
    }
}

/// The thread: writes each term that comes through the pipe. What cannot be written is lost, which is harmless.
private func writeTerms(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    let job = unsafe Unmanaged<ElectorState.WriterJob>.fromOpaque(argument).takeRetainedValue()
    var term: UInt64 = 0
    while unsafe read(job.pipe, &term, 8) == 8 { try? ElectorState.write(job.path, job.node, term) }
    return nil
}
