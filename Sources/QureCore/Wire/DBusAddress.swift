// DBusAddress: where a message bus listens ("Server Addresses" in the D-Bus specification): alternatives behind each
// other, each a transport with settings, of which only Unix sockets mean anything here.

/// The addresses of message buses.
package enum DBusAddress {
    /// The Unix sockets that `text` names, in order; an abstract one with @ in front. Others are passed over.
    package static func places(_ text: String) -> [String] {
        text.split(separator: ";").compactMap { address in
            guard address.hasPrefix("unix:") else { return nil }
            for setting in address.dropFirst("unix:".count).split(separator: ",") {
                let parts = setting.split(separator: "=", maxSplits: 1)
                guard parts.count == 2, let value = unescaped(parts[1]) else { continue }
                if parts[0] == "path" { return value }
                if parts[0] == "abstract" { return "@" + value }
            }
            return nil
        }
    }

    /// The text with `%2f` and the like replaced; nil where that is malformed.
    private static func unescaped(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.count >= 2 else {
                return nil
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
