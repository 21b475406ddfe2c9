// DefaultRoute: the gateway whose sign of life a member needs before it claims. A host may start before a DHCP server
// has named its gateway, and the site may get another one later: unless the user has named it, the default route says
// who it is, at every time.

import QureCore

extension ElectSession {
    static func gateways(_ options: MemberOptions, _ link: Link, _ netlink: inout Netlink) throws -> [IPAddress] {
        guard options.followsDefaultRoute else { return IPAddress(options.requireGateway).map { [$0] } ?? [] }
        let all = try netlink.defaultGateways().filter { $0.interface == link.index }.map(\.address)
        // That of the first address's family, where there is one.
        let families = options.address.map(\.address.bitWidth)
        return families.lazy.compactMap { family in all.first { $0.bitWidth == family } }.prefix(1).map { $0 }
    }

    /// A default route that has gone changes nothing: that this host has lost its way out makes the gateway no less the
    /// one that must be heard.
    func heedDefaultRoute() throws {
        guard options.followsDefaultRoute else { return }
        let new = try Self.gateways(options, link, &netlink)
        let before = linkWatch.gateways
        guard let first = new.first, new != before else { return }
        // Nor does the other family's, where that of the first address has gone.
        let isSecondChoice = first.bitWidth != options.address[0].address.bitWidth
        guard !isSecondChoice || before.allSatisfy({ $0.bitWidth == first.bitWidth }) else { return }
        try linkWatch.replaceGateways(by: new)
        let names = { (gateways: [IPAddress]) in gateways.map(\.description).joined(separator: ", ") }
        let end = before.isEmpty ? "" : ", and no longer \(names(before))"
        diagnostics.say(.notice, "the gateway is \(names(new)) now\(end): who claims must hear it")
        step(.gatewayNamed)
    }
}
