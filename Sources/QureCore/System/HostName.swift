// The host's name, as far as the kernel knows it.

import Glibc

/// This host's name.
package enum HostName {
    /// The name up to the first dot, `host` where there is none.
    package static var current: String {
        var names = utsname()
        guard unsafe uname(&names) == 0 else { return "host" }
        let name = unsafe withUnsafeBytes(of: names.nodename) {
            unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        return name.split(separator: ".").first.map(String.init) ?? "host"
    }
}
