// Audiences: who asks, as far as it matters for the answer: a stranger, who is told of our own names alone; somebody of
// our networks, whom everything is found for; and those of a view, who are told other addresses of some names. Never an
// open resolver: who is not named is a stranger.

/// The networks whose clients are no strangers.
package struct Audiences: Equatable, Sendable {
    /// A network whose clients see some names otherwise.
    package struct View: Equatable, Sendable {
        /// Whom it is for.
        package var network: Prefix
        /// What they see of a name: in place of all else that is known of these names.
        package var records: LocalData

        /// A view.
        package init(_ network: Prefix, _ records: LocalData) {
            self.network = network
            self.records = records
        }
    }

    /// The number of strangers.
    package static let stranger: UInt8 = 0
    /// The number of all who may ask for everything and have no view.
    package static let local: UInt8 = 1
    /// Views, at most: what the number has room for.
    package static let maximumViews = 64

    /// Networks that recursion is for.
    package let recursion: [Prefix]
    /// The views, the narrowest first, for the first that fits counts; each is local or not as its clients are.
    package let views: [View]

    /// Audiences of these networks, and of views as they are given, in any order: several of one network are one. Each
    /// has what the wider ones around it say of names that it says nothing of itself.
    package init(recursion: [Prefix], views lines: [View] = []) {
        var views: [View] = []
        for line in lines {
            if let index = views.firstIndex(where: { $0.network == line.network }) {
                views[index].records.add(line.records)
            } else {
                views.append(line)
            }
        }
        views.sort { $0.network.length > $1.network.length }
        for index in views.indices {
            for wider in views[(index + 1)...] where wider.network.contains(views[index].network.address) {
                views[index].records.addMissingNames(of: wider.records)
            }
        }
        self.recursion = recursion
        self.views = views
    }

    /// The number of a client; it does not allocate.
    package func audience(of client: IPAddress) -> UInt8 {
        let client = client.unmapped
        var isLocal = false
        for index in recursion.indices where recursion[index].contains(client) {
            isLocal = true
            break
        }
        for index in views.indices where views[index].network.contains(client) {
            return UInt8(2 + 2 * index) | (isLocal ? 1 : 0)
        }
        return isLocal ? Self.local : Self.stranger
    }

    /// Whether an audience may ask for everything.
    package static func isLocal(_ audience: UInt8) -> Bool { audience & 1 == 1 }

    /// The view of an audience; nil: it has none.
    package func view(of audience: UInt8) -> View? { audience < 2 ? nil : views[Int(audience) / 2 - 1] }
}

extension Prefix {
    /// A network in a setting. What can be read in two ways, or means nobody, is refused.
    package init(setting text: some StringProtocol) throws(SettingError) {
        guard let prefix = Prefix(String(text)) else {
            throw SettingError("'\(text)' is not a network; write it like 192.168.1.0/24 or 2001:db8::/64")
        }
        let address = prefix.address, bits = address.bitWidth
        guard prefix == prefix.network else {
            throw SettingError(
                "'\(text)' has bits beyond its length: write \(prefix.network), or \(address)/\(bits) for this "
                    + "address alone")
        }
        guard !address.isUnspecified || prefix.length < bits else {
            throw SettingError("'\(text)' is the address of nobody: write \(address)/0 for everybody")
        }
        self = prefix
    }
}

extension IPAddress {
    /// The IPv4 address within an IPv6 one (RFC 4291 section 2.5.5.2), otherwise itself.
    var unmapped: IPAddress {
        guard case .v6(let address) = self, address.rawValue >> 32 == 0xffff else { return self }
        return .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: address.rawValue)))
    }
}
