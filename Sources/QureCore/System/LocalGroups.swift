// LocalGroups: the multicast groups that this host itself listens to, from /proc/net: netlink tells them from Linux
// 6.14 on only.

/// This host's own group memberships.
package enum LocalGroups {
    /// Whether any program of this host listens to `group` on the interface.
    package static func contains(_ group: IPAddress, on name: String, index: Int) -> Bool {
        switch group {
        case .v4(let address):
            guard let text = try? TextFile.read("/proc/net/igmp") else { return false }
            return inIGMPTable(String(decoding: text, as: UTF8.self), address, index: index)
        case .v6(let address):
            guard let text = try? TextFile.read("/proc/net/igmp6") else { return false }
            let hexadecimal = address.octets.hexadecimal
            return String(decoding: text, as: UTF8.self).split(separator: "\n").contains { line in
                let words = line.split(separator: " ")
                return words.count > 2 && words[1] == name && words[2] == hexadecimal
            }
        }
    }

    /// The table has a line per interface that begins with its index, then an indented line per group: the address as
    /// the number it is in memory.
    private static func inIGMPTable(_ text: String, _ address: IPv4Address, index: Int) -> Bool {
        let number = String(address.rawValue.byteSwapped, radix: 16, uppercase: true)
        let wanted = String(repeating: "0", count: 8 - number.count) + number
        var isOurs = false
        for line in text.split(separator: "\n").dropFirst() {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            if line.first != "\t" {
                isOurs = words.first.flatMap { Int($0) } == index
            } else if isOurs && words.first.map(String.init) == wanted {
                return true
            }
        }
        return false
    }
}
