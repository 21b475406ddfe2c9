// GatewayNews: what the default gateway announces to all hosts of its link: that it has been restarted, or has another
// external address. Nobody else is believed; a forged announcement costs one more question to the gateway.

import QureCore

/// The announcements of the gateway.
struct GatewayNews: ~Copyable {
    private let socket: DatagramSocket
    /// Where the gateway is looked for; nil: anywhere.
    private let interface: String?
    private var judges: [IPAddress: AnnouncementJudge] = [:]

    init(interface: String?) throws {
        socket = try DatagramSocket(listeningToAllHosts: GatewayAnnouncement.port)
        self.interface = interface
    }

    /// Readable when something has been announced.
    var descriptor: CInt { socket.descriptor }

    /// Reads what has been announced; whether the site's address is to be looked at.
    mutating func areNews(_ diagnostics: inout Diagnostics) throws -> Bool {
        let heard = try socket.receive().compactMap { datagram in
            (try? GatewayAnnouncement(datagram.bytes)).map { (announcement: $0, sender: datagram.from) }
        }
        guard !heard.isEmpty else { return false }
        var host = try HostAddresses(interface: interface)
        // An interface that is gone has none.
        let gateway = try? host.gateway()?.gateway
        judges = judges.filter { $0.key == gateway }
        var areNews = false
        for (announcement, sender) in heard {
            guard sender == gateway else {
                diagnostics.say(.debug, "< \(sender), which is not the gateway, announces \(announcement)")
                continue
            }
            diagnostics.say(.debug, "< \(sender) announces \(announcement)")
            areNews = judges[sender, default: AnnouncementJudge()].take(announcement, at: Clock.now) || areNews
        }
        if areNews {
            diagnostics.say(.information, "the gateway has been restarted, or has another address; looking again")
        }
        return areNews
    }
}
