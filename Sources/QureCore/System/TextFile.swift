// TextFile: small files, read and written whole: configuration, registries, kernel settings.

import Glibc

/// Reading and writing small files whole.
package enum TextFile {
    /// The largest file that `read` takes unless it is told otherwise.
    package static let limit = 1 << 20
    /// The largest file of data: lists of names that a site does not want are of some megabytes.
    package static let dataLimit = 16 << 20

    /// The bytes of the file at `path`; a file larger than `limit` is refused (EFBIG).
    package static func read(_ path: String, limit: Int = limit) throws(SystemError) -> [UInt8] {
        let file = FileDescriptor(owning: try check("open", path) { unsafe open(path, O_RDONLY | O_CLOEXEC) })
        let number = file.number
        var content: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = try check("read", path) {
                unsafe part.withUnsafeMutableBytes { unsafe Glibc.read(number, $0.baseAddress, $0.count) }
            }
            if count == 0 { return content }
            content += part.prefix(count)
            guard content.count <= limit else { throw SystemError("read", path, errno: Errno(rawValue: EFBIG)) }
        }
    }

    /// Fails if the file at `path` cannot be read, or is larger than `limit` (EFBIG). It is not opened: a pipe keeps
    /// what is in it.
    package static func expectReadable(_ path: String, limit: Int = limit) throws(SystemError) {
        try check("open", path) { unsafe access(path, R_OK) }
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return }
        let kind = status.st_mode & S_IFMT
        if kind == S_IFDIR { throw SystemError("read", path, errno: Errno(rawValue: EISDIR)) }
        if kind == S_IFREG, status.st_size > limit { throw SystemError("read", path, errno: Errno(rawValue: EFBIG)) }
    }

    /// Why the program at `path` cannot be run; nil: it can, as far as its mode tells.
    package static func troubleToRun(_ path: String) -> SystemError? {
        do throws(SystemError) {
            try check("run", path) { unsafe access(path, X_OK) }
            return nil
        } catch { return error }
    }

    /// Replaces the file at `path`, all at once: a reader sees the old content or the new one.
    package static func replace(_ path: String, with content: [UInt8]) throws(SystemError) {
        let temporary = "\(path).\(getpid())"
        do throws(SystemError) {
            let file = FileDescriptor(
                owning: try check("open", temporary) {
                    unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
                })
            do throws(SystemError) {
                try OutputStream.writeAll(content, to: file.number)
            } catch {
                // Where a disk is full, its user looks for a path.
                throw SystemError(error.call, temporary, errno: error.errno)
            }
            try check("rename", path) { unsafe rename(temporary, path) }
        } catch {
            _ = unsafe unlink(temporary)
            throw error
        }
    }

    /// Writes to a file that exists, such as a kernel setting.
    package static func write(_ text: String, to path: String) throws(SystemError) {
        let file = FileDescriptor(owning: try check("open", path) { unsafe open(path, O_WRONLY | O_CLOEXEC) })
        let number = file.number
        try check("write", path) { unsafe Glibc.write(number, text, text.utf8.count) }
    }

    /// Removes the file; one that is not there is removed already.
    package static func remove(_ path: String) throws(SystemError) {
        do { try check("unlink", path) { unsafe unlink(path) } } catch  where error.errno == .noEntry {}
    }

    /// Makes the directory at `path`, and those above it where they are missing.
    package static func makeDirectory(_ path: String) throws(SystemError) {
        do {
            try check("mkdir", path) { unsafe mkdir(path, 0o755) }
        } catch  where error.errno == .noEntry {
            guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { throw error }
            try makeDirectory(String(path[..<slash]))
            try check("mkdir", path) { unsafe mkdir(path, 0o755) }
        } catch  where error.errno == .exists {}
    }

    /// The names in the directory at `path`, sorted; none where it does not exist.
    package static func names(in path: String) -> [String] {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

extension TextFile {
    /// Whether others than the owner may read the file.
    package static func isOpenToOthers(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & 0o077 != 0
    }

    /// Whether the descriptor is a regular file that others than the owner may read.
    package static func isOpenFile(_ descriptor: CInt) -> Bool {
        var status = stat()
        return unsafe fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
            && status.st_mode & 0o077 != 0
    }
}
