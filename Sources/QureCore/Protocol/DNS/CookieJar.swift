// CookieJar: the cookies that servers are asked with (RFC 7873): a client's half for each server, drawn by chance,
// which the server repeats, so that nobody who does not see it can forge an answer; and the half that the server gave,
// by which it knows who asks. Chance in place of a code over our address (RFC 7873 section 4.1): the kernel chooses
// that address for each question; a cookie lives for an hour instead, so that no server can follow us by it for longer
// (RFC 9018 section 8.1).

/// What servers are asked with.
package struct CookieJar: Sendable {
    private struct Row {
        /// Nil: this server mixes cookies up, and is asked without any.
        var cookie: DNSCookie?
        var until: Instant
    }

    /// How long a cookie is used, and how long a server that mixes them up is asked without.
    package static let lifetime = Duration.seconds(3600)

    private var rows: [DNSEndpoint: Row] = [:]

    /// There are none yet.
    package init() {}

    /// The cookies for these servers.
    package mutating func cookies(
        for servers: [DNSEndpoint], at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [DNSEndpoint: DNSCookie] {
        var cookies: [DNSEndpoint: DNSCookie] = [:]
        for server in servers {
            if let row = rows[server], now < row.until {
                cookies[server] = row.cookie
                continue
            }
            let half: UInt64 = random.next()
            let client = (0..<8).map { UInt8(truncatingIfNeeded: half >> UInt64(8 * $0)) }
            let row = Row(cookie: DNSCookie(client: client), until: now + Self.lifetime)
            rows[server] = row
            cookies[server] = row.cookie
        }
        return cookies
    }

    /// Keeps the cookie that a server is to be asked with next; nil: none, for a while.
    package mutating func keep(_ cookie: DNSCookie?, for server: DNSEndpoint, at now: Instant) {
        guard let cookie else {
            if rows[server]?.cookie != nil { rows[server] = Row(until: now + Self.lifetime) }
            return
        }
        // An answer to a question of an hour ago is too late; most change nothing.
        guard let known = rows[server]?.cookie, known.client == cookie.client, known != cookie else { return }
        rows[server]?.cookie = cookie
    }
}
