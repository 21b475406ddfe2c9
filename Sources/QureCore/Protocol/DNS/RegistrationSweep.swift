// The sweep of Registration: with leases, a site that is current looks whether other sites have left addresses behind
// whose time is over by the server's clock, and takes those off the name: under the condition of the dead site's exact
// marker, so that one that comes to life again at this very moment keeps what it has. It asks who has the addresses
// that are not its own, and then those sites' markers; addresses that no site has are nobody's to sweep.

extension Registration {
    /// How far a sweep has come.
    struct Sweep: Equatable {
        /// The site that is looked at; nil: the owners of addresses are asked for.
        var site: SiteNames?
        var view: AuthorityView
        /// Those that come next.
        var sites: [String] = []
        /// The update that has been sent.
        var plan: RegistrationPlan?

        /// Addresses, and sites, that are looked at in one round.
        static let limit = 32
    }

    /// Looks at the owners of these addresses.
    mutating func sweep(
        _ addresses: [IPAddress], at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        var sweep = Sweep(view: AuthorityView(configuration.names, .claims))
        sweep.view.askForClaims(addresses)
        return goOn(sweep, at: now, using: &random)
    }

    mutating func take(
        _ message: DNSMessage, _ sweep: Sweep, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        var sweep = sweep
        if let plan = sweep.plan, let site = sweep.site {
            // Whatever the server says against it: it is not our business, or another one was faster.
            guard message.responseCode == .noError else { return next(sweep, at: now, using: &random) }
            return [.report(.swept(site: site.site, plan.removed))] + next(sweep, at: now, using: &random)
        }
        do throws(RegistrationTrouble) { try sweep.view.take(message) } catch {
            return rest(at: now, using: &random)
        }
        return goOn(sweep, at: now, using: &random)
    }

    private mutating func goOn(
        _ sweep: Sweep, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        var sweep = sweep
        if let query = sweep.view.query {
            state = .sweeping(sweep)
            return exchange(query)
        }
        guard let site = sweep.site else {
            let owners = sweep.view.claims.values.joined().compactMap(SiteNames.site)
            sweep.sites = Array(
                Set(owners).subtracting([configuration.names.site]).sorted().prefix(Sweep.limit))
            return next(sweep, at: now, using: &random)
        }
        guard let zone, let marker = sweep.view.marker, !marker.addresses.isEmpty,
            marker.isOver(at: sweep.view.serverTime)
        else { return next(sweep, at: now, using: &random) }
        sweep.view.askForClaims(marker.addresses)
        if let query = sweep.view.query {
            state = .sweeping(sweep)
            return exchange(query)
        }
        let nonce = UInt64.random(in: .min ... .max, using: &random)
        let tombstone = SiteMarker(machine: marker.machine, nonce: nonce, addresses: [])
        let plan = RegistrationPlan.withdraw(
            sweep.view, site, leaving: tombstone, ttl: configuration.ttl)
        sweep.plan = plan
        state = .sweeping(sweep)
        return exchange(plan.message(zone: zone))
    }

    private mutating func next(
        _ sweep: Sweep, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        var sweep = sweep
        sweep.plan = nil
        while !sweep.sites.isEmpty {
            guard let site = SiteNames(configuration.names.name, site: sweep.sites.removeFirst()) else {
                continue
            }
            sweep.site = site
            sweep.view = AuthorityView(site, .marker)
            return goOn(sweep, at: now, using: &random)
        }
        return rest(at: now, using: &random)
    }
}
