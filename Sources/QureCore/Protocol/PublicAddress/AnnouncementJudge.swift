// AnnouncementJudge: whether what a gateway announces means that this site's address is to be looked at. It tells the
// same several times within minutes; only the first one of them says anything new. Seconds that have gone back, or have
// not gone on as ours have, say that the gateway has been restarted, or that its external address is another one: both
// protocols have it begin anew then.
//
//   what is announced                                       | look?
//   the first one of a protocol                             | yes: nothing is known to compare with
//   an external address other than the last one announced   | yes
//   an epoch that fits the time since the last announcement | no
//   an epoch that does not                                  | yes

/// Judges announcements of one gateway.
package struct AnnouncementJudge: Sendable {
    private struct Past: Sendable {
        var epoch: UInt32
        var external: IPv4Address?
        var heard: Instant
    }

    private var pasts: [GatewayAnnouncement.Kind: Past] = [:]

    /// A judge that has heard nothing yet.
    package init() {}

    /// Takes an announcement of the gateway itself: the caller has looked at where it came from. Whether the site's
    /// address is to be looked at.
    package mutating func take(_ announcement: GatewayAnnouncement, at now: Instant) -> Bool {
        let past = pasts.updateValue(
            Past(epoch: announcement.epoch, external: announcement.external, heard: now),
            forKey: announcement.kind)
        guard let past, past.external == announcement.external else { return true }
        let own = (now - past.heard).components.seconds
        let theirs = Int64(announcement.epoch) - Int64(past.epoch)
        switch announcement.kind {
        // RFC 6886 section 3.6: at least seven eighths of our time must have passed there, but for two seconds.
        case .natPMP: return theirs + 2 < own - own / 8
        // RFC 6887 section 8.5: it may have gone back by a second, and differ by a sixteenth and two seconds.
        case .pcp: return theirs < -1 || own + 2 < theirs - theirs / 16 || theirs + 2 < own - own / 16
        }
    }
}
